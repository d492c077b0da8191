#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace perijove {

/// The direct children of a process, of all its threads; empty when it is gone.
std::vector<pid_t> children_of(pid_t pid);

/// When the process of this number was started, in clock ticks since the boot: with it a number
/// names one process for good. Empty when it is gone.
std::string process_start_time(pid_t pid);

/// SIGKILL to every descendant of `leader`, to every process of its session, and to orphans that
/// this process has adopted whose environment holds `marker` ("NAME=value"), with their
/// descendants. Repeats until it finds none, so that a fork during the sweep is found too. `leader`
/// itself must not have been reaped yet: its number would be anybody's. `direct_children` of this
/// process are leaders themselves, never orphans.
void kill_descendants(pid_t leader, const std::string& marker,
                      const std::set<pid_t>& direct_children);

/// SIGKILL to every process of this machine whose environment holds `marker`; nothing when it is
/// empty.
void kill_marked(const std::string& marker);

}  // namespace perijove
