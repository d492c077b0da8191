"""The mark by which whoever has started a kernel knows its processes again."""

MARK = "PERIJOVE_PROCESS"


def set_mark(environment):
    """In a forked process: puts the mark that is in this environment in the place of the parent's,
    where others read it. /proc/PID/environ shows what a program was started with, whatever it has
    made of it since. Does nothing where the two are not of the same length."""
    mark = environment.get(MARK)
    if mark is None:
        return
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        initial = b"\0" + memory.read(end - start)
        name = b"\0%s=" % MARK.encode()
        found = initial.find(name)
        place = found + len(name)
        if found >= 0 and initial.find(b"\0", place) - place == len(mark.encode()):
            memory.seek(start + place - 1)
            memory.write(mark.encode())
