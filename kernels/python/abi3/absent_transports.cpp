// Debian's libzmq.a can also speak PGM and NORM and authenticate by Kerberos, by libraries that
// have no static form, or none that can be part of a shared object. A kernel uses tcp and ipc only,
// so the functions of those libraries are never called, but for the two that libzmq calls at its
// start and end. The same goes for libuuid, of which xeus uses two functions.

#include <sys/random.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define PERIJOVE_ABSENT(function)                                                     \
  void function() {                                                                   \
    std::fputs("perijove_kernel: " #function " is not part of this build\n", stderr); \
    std::abort();                                                                     \
  }

extern "C" {

int pgm_init(void*) { return 1; }
int pgm_shutdown() { return 1; }

PERIJOVE_ABSENT(pgm_bind3)
PERIJOVE_ABSENT(pgm_close)
PERIJOVE_ABSENT(pgm_connect)
PERIJOVE_ABSENT(pgm_error_free)
PERIJOVE_ABSENT(pgm_free)
PERIJOVE_ABSENT(pgm_freeaddrinfo)
PERIJOVE_ABSENT(pgm_getaddrinfo)
PERIJOVE_ABSENT(pgm_getsockopt)
PERIJOVE_ABSENT(pgm_gsi_create_from_data)
PERIJOVE_ABSENT(pgm_recvmsgv)
PERIJOVE_ABSENT(pgm_send)
PERIJOVE_ABSENT(pgm_setsockopt)
PERIJOVE_ABSENT(pgm_socket)

void* NORM_INSTANCE_INVALID = nullptr;
void* NORM_OBJECT_INVALID = nullptr;
void* NORM_SESSION_INVALID = nullptr;
unsigned NORM_NODE_ANY = 0;
PERIJOVE_ABSENT(NormCreateInstance)
PERIJOVE_ABSENT(NormCreateSession)
PERIJOVE_ABSENT(NormDestroyInstance)
PERIJOVE_ABSENT(NormDestroySession)
PERIJOVE_ABSENT(NormGetDescriptor)
PERIJOVE_ABSENT(NormGetNextEvent)
PERIJOVE_ABSENT(NormGetRandomSessionId)
PERIJOVE_ABSENT(NormIsUnicastAddress)
PERIJOVE_ABSENT(NormNodeDelete)
PERIJOVE_ABSENT(NormObjectGetType)
PERIJOVE_ABSENT(NormObjectGetUserData)
PERIJOVE_ABSENT(NormObjectSetUserData)
PERIJOVE_ABSENT(NormSetCongestionControl)
PERIJOVE_ABSENT(NormSetDefaultSyncPolicy)
PERIJOVE_ABSENT(NormSetDefaultUnicastNack)
PERIJOVE_ABSENT(NormSetLoopback)
PERIJOVE_ABSENT(NormSetMulticastInterface)
PERIJOVE_ABSENT(NormSetRxPortReuse)
PERIJOVE_ABSENT(NormSetTTL)
PERIJOVE_ABSENT(NormStartReceiver)
PERIJOVE_ABSENT(NormStartSender)
PERIJOVE_ABSENT(NormStopInstance)
PERIJOVE_ABSENT(NormStopReceiver)
PERIJOVE_ABSENT(NormStopSender)
PERIJOVE_ABSENT(NormStreamFlush)
PERIJOVE_ABSENT(NormStreamOpen)
PERIJOVE_ABSENT(NormStreamRead)
PERIJOVE_ABSENT(NormStreamSeekMsgStart)
PERIJOVE_ABSENT(NormStreamWrite)

void* GSS_C_NT_HOSTBASED_SERVICE = nullptr;
void* GSS_C_NT_USER_NAME = nullptr;
PERIJOVE_ABSENT(gss_accept_sec_context)
PERIJOVE_ABSENT(gss_acquire_cred)
PERIJOVE_ABSENT(gss_delete_sec_context)
PERIJOVE_ABSENT(gss_display_name)
PERIJOVE_ABSENT(gss_import_name)
PERIJOVE_ABSENT(gss_init_sec_context)
PERIJOVE_ABSENT(gss_release_buffer)
PERIJOVE_ABSENT(gss_release_cred)
PERIJOVE_ABSENT(gss_release_name)
PERIJOVE_ABSENT(gss_unwrap)
PERIJOVE_ABSENT(gss_wrap)

/// A random UUID (RFC 4122, version 4).
void uuid_generate(unsigned char uuid[16]) {
  if (getrandom(uuid, 16, 0) != 16) std::abort();
  uuid[6] = static_cast<unsigned char>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<unsigned char>((uuid[8] & 0x3f) | 0x80);
}

/// As BSD has it.
std::size_t strlcpy(char* to, const char* from, std::size_t size) {
  const std::size_t length = std::strlen(from);
  if (size > 0) {
    const std::size_t kept = length < size ? length : size - 1;
    std::memcpy(to, from, kept);
    to[kept] = '\0';
  }
  return length;
}

}  // extern "C"
