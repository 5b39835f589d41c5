/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/password_worker.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "broker/base/counters.h"
#include "broker/base/list.h"
#include "broker/base/map.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/thread.h"
#include "broker/core/password.h"

#define KEY_BYTES   32
#define THREAD_NAME "passwords"

struct password_request {
    struct link link;       /* in one of the mailboxes */
    password_done_fn *done; /* the core's; NULL: cancelled */
    void *arg;
    bool is_decoy;
    enum rc rc; /* the thread's, until it hands the request back */
    uint8_t known_as[KEY_BYTES];
    uint32_t hash_bytes;
    uint32_t password_bytes;
    uint8_t bytes[]; /* hash, password */
};

struct known {
    struct map_node by_key;
    struct link link; /* in the order they were learnt */
    uint8_t key[KEY_BYTES];
};

struct password_worker {
    void (*wake)(void *arg);
    void *wake_arg;         /* borrowed */
    _Atomic bool is_ending; /* told to the thread */
    bool is_running;
    unsigned waiting;
    struct thread thread;
    struct mailbox asked;
    struct mailbox answered;
    uint8_t key[KEY_BYTES]; /* of the known ones; of this process alone */
    struct map known;
    struct list known_list;
};

/* ---- the thread ---- */

static void check_wt(struct password_request *request)
{
    request->rc =
        password_check(slice_of(request->bytes, request->hash_bytes),
                       slice_of(request->bytes + request->hash_bytes, request->password_bytes));
    if (request->is_decoy && request->rc == RC_OK)
        request->rc = RC_AUTH;
    password_wipe(request->bytes, (size_t)request->hash_bytes + request->password_bytes);
}

static void main_wt(void *arg)
{
    struct password_worker *worker = arg;
    struct list asked;

    list_init(&asked);
    while (mailbox_wait(&worker->asked, &asked, 0)) {
        while (!list_is_empty(&asked)) {
            struct password_request *request = LIST_FIRST(&asked, struct password_request, link);

            link_remove(&request->link);
            if (!worker->is_ending) /* then nobody waits for an answer */
                check_wt(request);
            if (mailbox_put(&worker->answered, &request->link))
                worker->wake(worker->wake_arg);
        }
    }
}

/* ---- the known ones ---- */

/* Of the hash too: a changed password is another hash, and what was known of it is not looked for
 * any more. */
static bool name_known(const struct password_worker *worker, struct slice hash,
                       struct slice password, uint8_t *to)
{
    uint8_t inner[KEY_BYTES];
    unsigned len;
    bool is_done =
        HMAC(EVP_sha256(), worker->key, KEY_BYTES, hash.at, hash.len, inner, &len) != NULL &&
        HMAC(EVP_sha256(), inner, KEY_BYTES, password.at, password.len, to, &len) != NULL;

    password_wipe(inner, sizeof(inner));
    return is_done;
}

static void forget(struct password_worker *worker, struct known *known)
{
    map_remove(&worker->known, &known->by_key);
    link_remove(&known->link);
    mem_free(known);
}

static void learn(struct password_worker *worker, const uint8_t *key)
{
    struct known *known;

    if (map_get(&worker->known, slice_of(key, KEY_BYTES)) != NULL)
        return;
    if (worker->known.count >= PASSWORD_KNOWN_MAX)
        forget(worker, LIST_FIRST(&worker->known_list, struct known, link));
    known = mem_new(struct known);
    memcpy(known->key, key, KEY_BYTES);
    map_add(&worker->known, slice_of(known->key, KEY_BYTES), &known->by_key);
    list_append(&worker->known_list, &known->link);
}

/* ---- life ---- */

struct password_worker *password_worker_new(void (*wake)(void *arg), void *wake_arg)
{
    struct password_worker *worker = mem_new(struct password_worker);

    worker->wake = wake;
    worker->wake_arg = wake_arg;
    mailbox_init(&worker->asked);
    mailbox_init(&worker->answered);
    map_init(&worker->known);
    list_init(&worker->known_list);
    random_bytes(worker->key, sizeof(worker->key));
    return worker;
}

static void drop_answers(struct password_worker *worker)
{
    struct list answered;

    list_init(&answered);
    mailbox_take(&worker->answered, &answered);
    while (!list_is_empty(&answered)) {
        struct password_request *request = LIST_FIRST(&answered, struct password_request, link);

        ASSERT(request->done == NULL);
        link_remove(&request->link);
        mem_free(request);
    }
}

void password_worker_free(struct password_worker **ref)
{
    struct password_worker *worker = *ref;

    *ref = NULL;
    if (worker == NULL)
        return;
    if (worker->is_running) {
        worker->is_ending = true;
        mailbox_close(&worker->asked);
        thread_join(&worker->thread);
    }
    drop_answers(worker);
    while (!list_is_empty(&worker->known_list))
        forget(worker, LIST_FIRST(&worker->known_list, struct known, link));
    map_done(&worker->known);
    mailbox_done(&worker->asked);
    mailbox_done(&worker->answered);
    password_wipe(worker->key, sizeof(worker->key));
    mem_free(worker);
}

void password_worker_poll(struct password_worker *worker)
{
    struct list answered;

    list_init(&answered);
    mailbox_take(&worker->answered, &answered);
    while (!list_is_empty(&answered)) {
        struct password_request *request = LIST_FIRST(&answered, struct password_request, link);
        password_done_fn *done = request->done;
        void *arg = request->arg;
        enum rc rc = request->rc;

        link_remove(&request->link);
        worker->waiting--;
        if (rc == RC_OK)
            learn(worker, request->known_as);
        mem_free(request);
        if (done != NULL)
            done(arg, rc);
    }
}

/* ---- asking ---- */

static enum rc start(struct password_worker *worker)
{
    enum rc rc = RC_OK;

    if (!worker->is_running)
        rc = thread_start(&worker->thread, THREAD_NAME, main_wt, worker);
    worker->is_running = rc == RC_OK;
    return rc;
}

static struct password_request *request_new(struct slice hash, struct slice password)
{
    struct password_request *request = mem_try(sizeof(*request) + hash.len + password.len);

    if (request == NULL)
        return NULL;
    *request = (struct password_request){ .hash_bytes = (uint32_t)hash.len,
                                          .password_bytes = (uint32_t)password.len };
    memcpy(request->bytes, hash.at, hash.len);
    if (password.len > 0)
        memcpy(request->bytes + hash.len, password.at, password.len);
    return request;
}

enum rc password_worker_ask(struct password_worker *worker, struct slice hash,
                            struct slice password, bool is_decoy, password_done_fn *done, void *arg,
                            struct password_request **ret)
{
    uint8_t known_as[KEY_BYTES];
    struct password_request *request;
    enum rc rc;

    if (password.len > PASSWORD_MAX_BYTES)
        return RC_TOO_LARGE;
    if (!name_known(worker, hash, password, known_as))
        return RC_MEMORY;
    if (!is_decoy && map_get(&worker->known, slice_of(known_as, KEY_BYTES)) != NULL)
        return RC_OK;
    if (worker->waiting >= PASSWORD_QUEUE_MAX)
        return RC_LIMIT;
    rc = start(worker);
    if (rc != RC_OK)
        return rc;
    request = request_new(hash, password);
    if (request == NULL)
        return RC_MEMORY;
    request->done = done;
    request->arg = arg;
    request->is_decoy = is_decoy;
    memcpy(request->known_as, known_as, KEY_BYTES);
    worker->waiting++;
    count_add(COUNT_CORE_PASSWORDS_CHECKED, 1);
    (void)mailbox_put(&worker->asked, &request->link); /* the thread waits for it itself */
    *ret = request;
    return RC_AGAIN;
}

void password_worker_cancel(struct password_request **ref)
{
    if (*ref != NULL)
        (*ref)->done = NULL;
    *ref = NULL;
}
