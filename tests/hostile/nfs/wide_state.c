/* Linux 6.1 in user mode sets 2696 bytes of a process's floating point state. A host whose processor has more (AMX)
   wants all of it or nothing (EFAULT), and the guest's first process would end in a panic. Zeros are its initial state.
   Preloaded into the guest's kernel by run.py. */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char state[1 << 16];
static size_t width;

static long set_whole_state(pid_t pid, void *kind, const struct iovec *given) {
    if (!width) {
        struct iovec all = {state, sizeof state};
        if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, kind, &all) == 0)
            width = all.iov_len;
    }
    if (given->iov_len >= width)
        return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, kind, given);
    memset(state, 0, sizeof state);
    memcpy(state, given->iov_base, given->iov_len);
    struct iovec whole = {state, width};
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, kind, &whole);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
        return set_whole_state(pid, address, data);
    if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
        return syscall(SYS_ptrace, request, pid, address, data);
    long value; /* The system call writes what the library's function returns. */
    return syscall(SYS_ptrace, request, pid, address, &value) == 0 ? value : -1;
}
