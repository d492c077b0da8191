// Variables of libc that Debian's libxeus.a and libzmq.a use. They are compiled for executables,
// which may reach such a variable at a distance that is known when they are linked; a shared object
// may not. So this one has its own, which no other object sees. <cstdio> must not be included here:
// it declares the variables of others.

#include <dlfcn.h>

extern "C" {

/// libstdc++ counts references without atomics while this is true: there are threads.
char __libc_single_threaded = 0;

extern const unsigned char in6addr_any[16] = {};

void* stderr = nullptr;
}

namespace {

/// The stream itself is that of libc.
__attribute__((constructor(101))) void share_stderr() {
  if (void** const of_libc = static_cast<void**>(dlsym(RTLD_NEXT, "stderr"))) stderr = *of_libc;
}

}  // namespace
