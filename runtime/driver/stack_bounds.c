// pthread_getattr_np(3) where a process may not read its own memory map: only a run's first process may (docs/security.md).
//
// The C library looks there for the bounds of the first thread's stack. The loader's note of the stack's end and the limit of
// its size say as much. Programs in C and C++ that call it are linked with this (`libm.so` beside it, which every program is
// linked with). Mono, which ends at once without the bounds, loads it ahead (PRELOADED).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

// Where the limit is none: what it is on most machines.
#define USUAL_BYTES ((size_t)8 << 20)

extern void *__libc_stack_end;

#ifdef PRELOADED
// The runtime is loaded with this library; what it starts is not.
__attribute__((constructor)) static void forget(void) { unsetenv("LD_PRELOAD"); }
#endif

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
  int (*libc)(pthread_t, pthread_attr_t *) = (int (*)(pthread_t, pthread_attr_t *))dlsym(RTLD_NEXT, "pthread_getattr_np");
  int error = libc(thread, attributes);
  if (error != EACCES) return error;
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0) return error;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = limit.rlim_cur == RLIM_INFINITY ? USUAL_BYTES : (size_t)limit.rlim_cur & ~(page - 1);
  uintptr_t end = ((uintptr_t)__libc_stack_end + page - 1) & ~(uintptr_t)(page - 1);
  error = pthread_attr_init(attributes);
  return error ? error : pthread_attr_setstack(attributes, (void *)(end - size), size);
}
