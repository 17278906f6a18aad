#include "loop/loop_signal.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ready(struct loop_watch *watch, unsigned events)
{
    struct loop_signal *self = (struct loop_signal *)watch;
    struct signalfd_siginfo info;

    (void)events;
    /* One a wake-up: `caught` may stop us, and the watch is level-triggered. */
    if (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) self->caught(self, (int)info.ssi_signo);
}

kith_err loop_signal_start(struct loop_signal *self, struct loop *loop, const int *signals)
{
    sigset_t set;
    kith_err err;
    int failed;

    assert(self->caught != NULL);
    sigemptyset(&set);
    for (; *signals != 0; signals++) sigaddset(&set, *signals);
    failed = pthread_sigmask(SIG_BLOCK, &set, &self->blocked_before);
    assert(failed == 0);

    self->loop = loop;
    self->watch = (struct loop_watch){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .ready = ready};
    err = self->watch.fd < 0 ? KITH_E_FULL : loop_watch_start(loop, &self->watch, LOOP_READ);
    if (err == KITH_OK) return KITH_OK;

    if (self->watch.fd >= 0) (void)close(self->watch.fd);
    (void)pthread_sigmask(SIG_SETMASK, &self->blocked_before, NULL);
    return err;
}

void loop_signal_stop(struct loop_signal *self)
{
    loop_watch_stop(self->loop, &self->watch);
    (void)close(self->watch.fd);
    (void)pthread_sigmask(SIG_SETMASK, &self->blocked_before, NULL);
}
