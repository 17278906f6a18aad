#include "net/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "net/url.h"

struct resolve {
    struct loop_task task;
    struct loop *loop;
    pthread_mutex_t lock; /* between the thread's post and a cancel: who frees */
    bool is_posted, is_cancelled;
    void (*done)(void *arg, const struct resolve_result *result);
    void *arg;
    struct resolve_result result;
    char host[URL_HOST_BYTES_MAX + 1];
};

static void resolve_free(struct resolve *self)
{
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

static void run(struct loop_task *task)
{
    struct resolve *self = (struct resolve *)task;

    (void)pthread_mutex_lock(&self->lock); /* the thread has let go of it now */
    (void)pthread_mutex_unlock(&self->lock);
    if (!self->is_cancelled) self->done(self->arg, &self->result);
    resolve_free(self);
}

static void find(const char *host, struct resolve_result *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);

    if (failed != 0) {
        out->err = failed == EAI_NONAME ? KITH_E_NOTFOUND : failed == EAI_MEMORY ? KITH_E_NOMEM : KITH_E_IO;
        out->reason = gai_strerror(failed);
        return;
    }
    for (struct addrinfo *at = found; at != NULL && out->count < RESOLVE_ADDRESSES_MAX; at = at->ai_next) {
        struct sockaddr_storage address = {0};
        if (at->ai_addrlen > sizeof address || (at->ai_family != AF_INET && at->ai_family != AF_INET6)) continue;
        memcpy(&address, at->ai_addr, at->ai_addrlen);
        out->addresses[out->count++] = net_address_of(&address);
    }
    freeaddrinfo(found);
    out->err = out->count > 0 ? KITH_OK : KITH_E_NOTFOUND;
    out->reason = out->count > 0 ? NULL : "the name has no address";
}

static void *thread_main(void *arg)
{
    struct resolve *self = arg;
    bool is_cancelled;

    find(self->host, &self->result);
    (void)pthread_mutex_lock(&self->lock);
    is_cancelled = self->is_cancelled;
    self->is_posted = !is_cancelled;
    if (!is_cancelled) loop_post(self->loop, &self->task); /* under the lock: a cancel lets the loop be closed */
    (void)pthread_mutex_unlock(&self->lock);
    if (is_cancelled) resolve_free(self);
    return NULL;
}

static bool start_thread(struct resolve *self)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int failed;

    if (pthread_attr_init(&attributes) != 0) return false;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are for the threads that wait for them */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, &attributes, thread_main, self);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return failed == 0;
}

kith_err resolve_start(struct loop *loop, struct kith_slice host,
                       void (*done)(void *arg, const struct resolve_result *result), void *arg, struct resolve **out)
{
    struct resolve *self = calloc(1, sizeof *self);

    *out = NULL;
    if (self == NULL) return KITH_E_NOMEM;
    assert(host.len < sizeof self->host);
    if (pthread_mutex_init(&self->lock, NULL) != 0) {
        free(self);
        return KITH_E_NOMEM;
    }
    memcpy(self->host, host.ptr, host.len);
    self->task.run = run;
    self->loop = loop;
    self->done = done;
    self->arg = arg;
    if (net_address_parse(host, &self->result.addresses[0]) == KITH_OK) {
        self->result.count = 1;
        self->is_posted = true;
        loop_defer(loop, &self->task);
    } else if (!start_thread(self)) {
        resolve_free(self);
        return KITH_E_NOMEM;
    }
    *out = self;
    return KITH_OK;
}

void resolve_cancel(struct resolve *self)
{
    /* Posted: the task is on its way and frees. Otherwise the thread does. */
    (void)pthread_mutex_lock(&self->lock);
    self->is_cancelled = true;
    (void)pthread_mutex_unlock(&self->lock);
}
