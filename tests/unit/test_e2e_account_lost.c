#include "e2e_resend.h"

/* What counts as lost, what is asked for, how often, and what an answer must be. */

/* ------------------------------------------------------------------------------------------------ what is lost */
/* What comes of it, for a device that nothing is changed of. */
static kith_err shown(struct town_device *to, struct e2e_envelope envelope, bool *is_lost)
{
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_opened opened;
    struct kith_buf plain;
    kith_err err;

    town_state_hash(to, before);
    err = town_open_envelope(to, envelope, &plain, &opened);
    kith_buf_wipe(&plain);
    town_state_hash(to, after);
    if (err != KITH_OK) assert_memory_equal(before, after, sizeof before);
    *is_lost = opened.is_lost;
    return err;
}

static bool is_lost_with(struct town_device *to, const struct town_mail *mail, size_t bytes, size_t flipped)
{
    struct e2e_envelope envelope = town_envelope(mail, to);
    struct kith_buf message;
    bool is_lost = false;

    kith_buf_init(&message, TOWN_CIPHER_MAX);
    assert_int_equal(kith_buf_append(&message, envelope.message), KITH_OK);
    if (flipped < envelope.message.len) message.ptr[flipped] ^= 1;
    envelope.message = kith_buf_peek(&message);
    if (bytes < envelope.message.len) envelope.message.len = bytes;
    assert_int_not_equal(shown(to, envelope, &is_lost), KITH_OK);
    kith_buf_deinit(&message);
    return is_lost;
}

static void test_e2e_account_lost__what_does_not_open_is_and_what_is_nobodys_is_not(void **state)
{
    struct two two = two_new(1);
    struct town_device *carol = town_join(two.town);
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello");
    const size_t len = town_body(mail, two.bob).len;
    struct e2e_envelope envelope;
    bool is_lost;

    (void)state;
    assert_int_equal(town_fetch_list(two.bob, carol->person), KITH_OK);
    assert_true(is_lost_with(two.bob, mail, SIZE_MAX, len - 1)); /* its seal */
    assert_true(is_lost_with(two.bob, mail, len / 2, SIZE_MAX)); /* no message any more */
    envelope = town_envelope(mail, two.bob);
    memcpy(envelope.account_id, carol->person->id, sizeof envelope.account_id); /* no device of hers */
    assert_int_equal(shown(two.bob, envelope, &is_lost), KITH_E_DENIED);
    assert_false(is_lost);
    memcpy(envelope.server_device, carol->server_device,
           sizeof envelope.server_device); /* one, but not in her session */
    assert_int_equal(shown(two.bob, envelope, &is_lost), KITH_E_DENIED);
    assert_true(is_lost);
    envelope = town_envelope(mail, two.bob);
    envelope.thread_id[0] ^= 1; /* it opens, and is of another chat */
    assert_int_equal(shown(two.bob, envelope, &is_lost), KITH_E_DENIED);
    assert_false(is_lost);
    envelope = town_envelope(mail, two.bob);
    envelope.msg_id[0] ^= 1;
    assert_int_equal(shown(two.bob, envelope, &is_lost), KITH_E_DENIED);
    assert_false(is_lost);
    assert_int_equal(shown(two.bob, town_envelope(mail, two.bob), &is_lost), KITH_OK);
    assert_false(is_lost);
    assert_int_equal(shown(two.bob, town_envelope(mail, two.bob), &is_lost), KITH_E_CONFLICT); /* REPEATED */
    assert_true(is_lost);
    town_free(two.town);
}

/* A first message whose prekeys are not here any more, and one of a last resort that comes again when its session is gone. */
static void test_e2e_account_lost__what_needs_a_prekey_that_is_gone_is(void **state)
{
    struct town *town = town_new(2);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_chat chat = town_chat_two(ann, bob);
    struct town_mail *mail = town_send(ann, &chat, "hello");
    bool is_lost;

    (void)state;
    assert_int_equal(town_fetch_list(bob, ann->person), KITH_OK);
    while (bob->account->prekeys != NULL) account_prekey_forget(bob->account, bob->account->prekeys);
    assert_int_equal(shown(bob, town_envelope(mail, bob), &is_lost), KITH_E_DENIED);
    assert_true(is_lost);
    town_free(town);

    town = town_new(3);
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    chat = town_chat_two(ann, bob);
    mail = town_send(ann, &chat, "hello");
    assert_int_equal(shown(bob, town_envelope(mail, bob), &is_lost), KITH_OK);
    account_peers_drop(bob->account, account_person_find(bob->account, ann->person->id));
    assert_int_equal(shown(bob, town_envelope(mail, bob), &is_lost), KITH_E_CONFLICT);
    assert_true(is_lost);
    town_free(town);
}

/* Under a chain: one that never came, one that came and does not open. Not what was said before the account was in the group. */
static void test_e2e_account_lost__under_a_chain(void **state)
{
    struct three three = three_new(4, 2);
    struct town_device *dan = town_join(three.town);
    struct town_mail *old = town_group_send(three.ann, three.group, "before dan"), *mail;
    const size_t len = town_body(old, three.bob).len;
    bool is_lost;

    (void)state;
    assert_true(old->is_common);
    assert_true(is_lost_with(three.bob, old, SIZE_MAX, len - 1)); /* its signature */
    assert_int_equal(open_or_lose(three.bob, old, &is_lost), KITH_OK);
    assert_int_equal(shown(three.bob, town_envelope(old, three.bob), &is_lost), KITH_E_CONFLICT);
    assert_true(is_lost);
    three.town->now_ms += 1000;
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ADD, dan, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(dan, three.group), KITH_OK);
    assert_int_equal(town_fetch_list(dan, three.ann->person), KITH_OK);
    assert_int_equal(shown(dan, town_envelope(old, dan), &is_lost), KITH_E_NOTFOUND);
    assert_false(is_lost);
    mail = town_group_send(three.ann, three.group, "with dan"); /* what gave him the chain he never saw */
    assert_int_equal(shown(dan, town_envelope(mail, dan), &is_lost), KITH_E_NOTFOUND);
    assert_true(is_lost);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_REMOVE, dan, 0));
    assert_int_equal(town_group_fetch(dan, three.group), KITH_OK);
    assert_int_equal(shown(dan, town_envelope(mail, dan), &is_lost), KITH_E_NOTFOUND);
    assert_false(is_lost); /* who is in it no more is given nothing */
    town_free(three.town);
}

/* ------------------------------------------------------------------------------------------------ notes */
static struct e2e_lost note_of(const struct two *two, uint64_t seq)
{
    struct e2e_lost lost = {.device_id = device_number(two->ann), .item.seq = seq, .created_ms = two->town->now_ms};

    memcpy(lost.account_id, two->ann->person->id, sizeof lost.account_id);
    memcpy(lost.item.chat_id, two->chat.id, sizeof lost.item.chat_id);
    kith_put_u64_be(lost.item.msg_id, seq);
    return lost;
}

static void note(const struct two *two, uint64_t seq)
{
    const struct e2e_lost lost = note_of(two, seq);

    e2e_account_lost(two->bob->account, two->town->now_ms, &lost);
}

/* The seqs that are asked for now, in their order; how many requests. */
static size_t asked(const struct two *two, uint64_t *seqs, size_t *count)
{
    struct e2e_ask ask;
    struct kith_buf body;
    size_t requests = 0;

    *count = 0;
    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    while (e2e_account_ask(two->bob->account, two->town->now_ms, &ask, &body)) {
        struct e2e_resend request;
        assert_memory_equal(ask.account_id, two->ann->person->id, sizeof ask.account_id);
        assert_int_equal(ask.device_id, device_number(two->ann));
        assert_int_equal(e2e_resend_decode(kith_buf_peek(&body), &request), KITH_OK);
        for (uint32_t i = 0; i < request.count; i++) seqs[(*count)++] = request.items[i].seq;
        kith_buf_reset(&body);
        requests++;
        town_restart(two->bob);
    }
    kith_buf_deinit(&body);
    return requests;
}

static size_t asked_count(const struct two *two)
{
    uint64_t seqs[E2E_LOST_MAX];
    size_t count;

    (void)asked(two, seqs, &count);
    return count;
}

static void test_e2e_account_lost__64_of_a_device_and_not_one_more(void **state)
{
    struct two two = two_new(5);
    uint64_t seqs[E2E_LOST_MAX];
    struct e2e_lost one;
    size_t count;

    (void)state;
    for (uint64_t i = 0; i < E2E_LOST_MAX; i++) note(&two, 1 + (i * 7) % E2E_LOST_MAX); /* in any order */
    assert_int_equal(lost_count(two.bob, two.ann), E2E_LOST_MAX);
    note(&two, E2E_LOST_MAX + 1);
    note(&two, 7); /* known */
    assert_int_equal(lost_count(two.bob, two.ann), E2E_LOST_MAX);
    town_restart(two.bob);
    assert_int_equal(asked(&two, seqs, &count), 2); /* of 32 each */
    assert_int_equal(count, E2E_LOST_MAX);
    for (uint64_t i = 0; i < E2E_LOST_MAX; i++) assert_int_equal(seqs[i], i + 1);
    one = note_of(&two, 3);
    assert_true(e2e_account_resent(two.bob->account, one.account_id, one.device_id, &one.item, &one));
    note(&two, E2E_LOST_MAX + 1); /* what came makes room */
    assert_int_equal(lost_count(two.bob, two.ann), E2E_LOST_MAX);
    assert_int_equal(asked(&two, seqs, &count), 1);
    assert_int_equal(count, 1);
    assert_int_equal(seqs[0], E2E_LOST_MAX + 1);
    town_free(two.town);
}

static void test_e2e_account_lost__each_is_asked_for_three_times_a_day_apart(void **state)
{
    struct two two = two_new(6);

    (void)state;
    note(&two, 1);
    for (int i = 0; i < E2E_RESENDS_MAX; i++) {
        assert_int_equal(asked_count(&two), 1);
        assert_int_equal(asked_count(&two), 0);
        two.town->now_ms += E2E_RESEND_MS - 1;
        assert_int_equal(asked_count(&two), 0);
        two.town->now_ms += 1;
    }
    assert_int_equal(asked_count(&two), 0);
    assert_int_equal(lost_count(two.bob, two.ann), 1); /* it may still come */
    two.town->now_ms += E2E_LOST_MS;
    assert_int_equal(asked_count(&two), 0);
    assert_int_equal(lost_count(two.bob, two.ann), 0);
    town_free(two.town);
}

static void test_e2e_account_lost__is_forgotten_in_time(void **state)
{
    struct two two = two_new(7);
    struct e2e_lost lost = note_of(&two, 2);

    (void)state;
    note(&two, 1);
    lost.expires_ms = two.town->now_ms + 1000;
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost);
    assert_int_equal(lost_count(two.bob, two.ann), 2);
    two.town->now_ms += 999;
    assert_int_equal(asked_count(&two), 2);
    two.town->now_ms += 1;
    assert_int_equal(asked_count(&two), 0);
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost); /* it is over already */
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    two.town->now_ms += E2E_LOST_MS - 1000 - 1;
    (void)asked_count(&two);
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    two.town->now_ms += 1;
    (void)asked_count(&two);
    assert_int_equal(lost_count(two.bob, two.ann), 0);
    town_free(two.town);
}

/* A stranger would learn that somebody is there. When the person writes, it is asked for. */
static void test_e2e_account_lost__a_stranger_is_not_asked_before_the_person_writes(void **state)
{
    struct two two = two_new(8);

    (void)state;
    two.chat = town_chat_two(two.ann, two.bob);
    note(&two, 1);
    assert_int_equal(asked_count(&two), 0);
    two.town->now_ms += 3 * E2E_RESEND_MS;
    assert_int_equal(asked_count(&two), 0);
    (void)town_send(two.bob, &two.chat, "it is me");
    assert_int_equal(asked_count(&two), 1);
    town_free(two.town);
}

/* Nor anybody who must not be written to: what is lost of them waits. */
static void test_e2e_account_lost__nobody_is_asked_whom_trust_forbids(void **state)
{
    struct two two = two_new(17);
    struct person *ann = account_person_find(two.bob->account, two.ann->person->id);

    (void)state;
    note(&two, 1);
    ann->trust = E2E_TRUST_FORKED;
    account_keep_person(two.bob->account, ann);
    assert_int_equal(asked_count(&two), 0);
    ann->trust = E2E_TRUST_KNOWN;
    account_keep_person(two.bob->account, ann);
    assert_int_equal(asked_count(&two), 1);
    town_free(two.town);
}

/* In a group this account must be in it. */
static void test_e2e_account_lost__nothing_is_asked_for_of_a_group_that_was_left(void **state)
{
    struct three three = three_new(9, 0);
    struct two two = {.town = three.town, .ann = three.ann, .bob = three.bob};
    struct e2e_lost lost;

    (void)state;
    memcpy(two.chat.id, three.group->chat_id, sizeof two.chat.id);
    lost = note_of(&two, 1);
    lost.is_group = true;
    e2e_account_lost(three.bob->account, three.town->now_ms, &lost);
    lost.item.seq = 2;
    lost.created_ms = 1; /* from before there was this device: not for it */
    e2e_account_lost(three.bob->account, three.town->now_ms, &lost);
    assert_int_equal(lost_count(three.bob, three.ann), 1);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_REMOVE, three.bob, 0));
    assert_int_equal(town_group_fetch(three.bob, three.group), KITH_OK);
    assert_int_equal(asked_count(&two), 0);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ADD, three.bob, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(three.bob, three.group), KITH_OK);
    assert_int_equal(asked_count(&two), 1);
    /* And the other must be in it still when the answer comes. */
    lost.item.seq = 1;
    kith_put_u64_be(lost.item.msg_id, 1);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ROLE, three.bob, E2E_ROLE_OWNER));
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_LEAVE, NULL, 0));
    assert_int_equal(town_group_fetch(three.bob, three.group), KITH_OK);
    assert_false(e2e_account_resent(three.bob->account, lost.account_id, lost.device_id, &lost.item, &lost));
    assert_int_equal(lost_count(three.bob, three.ann), 1);
    town_free(three.town);
}

/* ------------------------------------------------------------------------------------------------ answers */
static void test_e2e_account_lost__an_answer_that_nobody_asked_for_is_none(void **state)
{
    struct two two = two_new(10);
    struct town_device *carol = town_join(two.town);
    const struct e2e_lost lost = note_of(&two, 1);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_account *bob = two.bob->account;
    struct e2e_resend_item item = lost.item;
    struct e2e_lost out;

    (void)state;
    note(&two, 1);
    assert_false(e2e_account_resent(bob, lost.account_id, lost.device_id, &item, &out)); /* not yet */
    assert_int_equal(asked_count(&two), 1);
    bob = two.bob->account;
    town_state_hash(two.bob, before);
    assert_false(e2e_account_resent(bob, carol->person->id, device_number(carol), &item, &out));
    assert_false(e2e_account_resent(bob, lost.account_id, lost.device_id + 1, &item, &out));
    item.msg_id[15] ^= 1;
    assert_false(e2e_account_resent(bob, lost.account_id, lost.device_id, &item, &out));
    item = lost.item;
    item.seq++;
    assert_false(e2e_account_resent(bob, lost.account_id, lost.device_id, &item, &out));
    item = lost.item;
    item.chat_id[0] ^= 1;
    assert_false(e2e_account_resent(bob, lost.account_id, lost.device_id, &item, &out));
    town_state_hash(two.bob, after);
    assert_memory_equal(before, after, sizeof before);
    assert_true(e2e_account_resent(bob, lost.account_id, lost.device_id, &lost.item, &out));
    assert_int_equal(out.created_ms, lost.created_ms);
    assert_int_equal(out.device_id, lost.device_id);
    assert_memory_equal(out.account_id, lost.account_id, sizeof out.account_id);
    town_restart(two.bob);
    assert_false(e2e_account_resent(two.bob->account, lost.account_id, lost.device_id, &lost.item, &out)); /* once */
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ sessions */
static size_t sessions(const struct town_device *device)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == 'S';
    return count;
}

/* Whatever comes, and however often: one new session of this device's in 24 hours. */
static void test_e2e_account_lost__garbage_brings_about_one_new_session_a_day(void **state)
{
    struct two two = two_new(11);
    struct e2e_lost mail = note_of(&two, 0); /* of the mailbox */

    (void)state;
    assert_int_equal(sessions(two.bob), 1);
    for (int day = 0; day < 3; day++) {
        for (uint64_t i = 1; i <= 100; i++) {
            note(&two, i + (uint64_t)day * 100);
            e2e_account_lost(two.bob->account, two.town->now_ms, &mail);
            (void)town_send(two.bob, &two.chat, "still here");
            town_restart(two.bob);
            assert_int_equal(sessions(two.bob), 2 + day);
            two.town->now_ms += 10;
        }
        two.town->now_ms += E2E_RESEND_MS - 1000 - 1;
        e2e_account_lost(two.bob->account, two.town->now_ms, &mail);
        (void)town_send(two.bob, &two.chat, "not yet");
        assert_int_equal(sessions(two.bob), 2 + day);
        two.town->now_ms += 1;
        (void)town_send(two.bob, &two.chat, "what did not open meanwhile says nothing of the new one");
        assert_int_equal(sessions(two.bob), 2 + day);
    }
    town_free(two.town);
}

/* When the other one begins anew, that is enough. */
static void test_e2e_account_lost__a_new_session_of_the_others_ends_it(void **state)
{
    struct two two = two_new(12);
    struct e2e_lost theirs = {.device_id = device_number(two.bob)};

    (void)state;
    note(&two, 1);
    memcpy(theirs.account_id, two.bob->person->id, sizeof theirs.account_id);
    e2e_account_lost(two.ann->account, two.town->now_ms, &theirs);
    two.town->now_ms += 1000;
    assert_int_equal(town_open(two.bob, town_send(two.ann, &two.chat, "anew"), NULL), KITH_OK);
    assert_int_equal(sessions(two.bob), 2);
    (void)town_send(two.bob, &two.chat, "good");
    assert_int_equal(sessions(two.bob), 2);
    two.town->now_ms += E2E_RESEND_MS - 1;
    note(&two, 2); /* it may have been on its way before */
    (void)town_send(two.bob, &two.chat, "good still");
    assert_int_equal(sessions(two.bob), 2);
    two.town->now_ms += 1;
    note(&two, 3); /* that one can break, too */
    (void)town_send(two.bob, &two.chat, "what?");
    assert_int_equal(sessions(two.bob), 3);
    town_free(two.town);
}

/* What ann has begun bob answers, whatever did not open: she can open that, and a session beside it would look like a tie to her. */
static void test_e2e_account_lost__what_the_other_began_is_answered_first(void **state)
{
    struct two two = {.town = town_new(21)};

    (void)state;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    (void)town_send(two.ann, &two.chat, "hello");
    assert_int_equal(town_read(two.bob), 1);
    note(&two, 1);
    assert_int_equal(town_open(two.ann, town_send(two.bob, &two.chat, "hello back"), NULL), KITH_OK);
    assert_int_equal(sessions(two.bob), 1);
    assert_int_equal(sessions(two.ann), 1);
    note(&two, 2); /* it is answered now */
    (void)town_send(two.bob, &two.chat, "anew");
    assert_int_equal(sessions(two.bob), 2);
    town_free(two.town);
}

/* Both have begun at once, and each would go on in the session of the smaller T: but who asks says which one it can open. */
static void check_tie(uint64_t seed, unsigned *crossed)
{
    struct two two = {.town = town_new(seed)};
    struct town_mail *of_ann, *of_bob;
    struct e2e_mail request;
    struct letter letter;
    struct kith_buf plain, body;
    struct e2e_opened opened;
    struct e2e_resend resend = {.items = {{.chat_id = {1}, .seq = 1, .msg_id = {1}}}, .count = 1};
    const struct peer *bob, *ann;
    uint8_t preferred[E2E_HASH_BYTES];

    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    of_ann = town_send(two.ann, &two.chat, "at once");
    of_bob = town_send(two.bob, &two.chat, "at once");
    assert_int_equal(town_open(two.ann, of_bob, NULL), KITH_OK); /* hers never came to bob */
    assert_non_null(of_ann);
    bob = account_peer_find(two.ann->account, two.bob->person->id, device_number(two.bob));
    ann = account_peer_find(two.bob->account, two.ann->person->id, device_number(two.ann));
    memcpy(preferred, e2e_session_transcript(bob->sessions->session), sizeof preferred);
    *crossed += memcmp(preferred, e2e_session_transcript(ann->sessions->session), sizeof preferred) != 0;
    kith_buf_init(&body, 4096);
    assert_int_equal(e2e_resend_encode(&resend, &body), KITH_OK);
    request = mail_to(two.ann, E2E_RESEND_TYPE, kith_buf_peek(&body));
    assert_int_equal(letter_seal(two.bob, request, &letter), KITH_OK);
    assert_int_equal(letter_open(two.ann, &letter, &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    letter_free(&letter);
    kith_buf_deinit(&body);
    town_restart(two.ann);
    bob = account_peer_find(two.ann->account, two.bob->person->id, device_number(two.bob));
    assert_memory_equal(e2e_session_transcript(bob->sessions->session), e2e_session_transcript(ann->sessions->session),
                        E2E_HASH_BYTES);
    assert_int_equal(town_open(two.bob, town_send(two.ann, &two.chat, "now you can"), NULL), KITH_OK);
    town_free(two.town);
}

static void test_e2e_account_lost__who_asks_says_which_session_it_can_open(void **state)
{
    unsigned crossed = 0;

    (void)state;
    for (uint64_t seed = 31; seed < 41; seed++) check_tie(seed, &crossed);
    assert_in_range(crossed, 1, 9); /* T decides by chance */
}

/* ------------------------------------------------------------------------------------------------ how many devices */
static void test_e2e_account_lost__4096_devices_and_not_one_more(void **state)
{
    struct two two = two_new(13);
    struct e2e_account *bob = two.bob->account;
    struct resend_peer *one = NULL, *last = NULL;
    struct peer_key key = {.account_id = {0xff}};

    (void)state;
    for (uint32_t i = 0; i < E2E_LOST_PEERS_MAX; i++) {
        kith_put_u32_be(key.device_id, i);
        assert_int_equal(account_resend_put(bob, two.town->now_ms, &key, &last), KITH_OK);
        last->is_broken = true;
        last->healed_ms = two.town->now_ms; /* so that there is something to remember */
    }
    kith_put_u32_be(key.device_id, E2E_LOST_PEERS_MAX);
    assert_int_equal(account_resend_put(bob, two.town->now_ms, &key, &one), KITH_E_FULL);
    note(&two, 1);
    assert_int_equal(lost_count(two.bob, two.ann), 0);
    last->is_broken = false;
    last->healed_ms = 0;
    note(&two, 1); /* in its place */
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    town_free(two.town);
}

/* Nothing is ever said to them, so that they are never begun anew with: what is lost of others is noted all the same. */
static void test_e2e_account_lost__devices_to_be_begun_anew_with_give_way(void **state)
{
    struct two two = two_new(15);
    struct e2e_account *bob = two.bob->account;
    struct resend_peer *last = NULL;
    struct peer_key key = {.account_id = {0xff}};

    (void)state;
    for (uint32_t i = 0; i < E2E_LOST_PEERS_MAX; i++) {
        kith_put_u32_be(key.device_id, i);
        assert_int_equal(account_resend_put(bob, two.town->now_ms, &key, &last), KITH_OK);
        last->is_broken = true;
    }
    note(&two, 1);
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    assert_int_equal(bob->resends.count, E2E_LOST_PEERS_MAX);
    /* Not what is lost, for another one that is only to be begun anew with. */
    for (uint32_t i = 0; i < 2 * E2E_LOST_PEERS_MAX; i++) {
        kith_put_u32_be(key.device_id, E2E_LOST_PEERS_MAX + i);
        assert_int_equal(account_resend_put(bob, two.town->now_ms, &key, &last), KITH_OK);
        last->is_broken = true;
    }
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    assert_int_equal(bob->resends.count, E2E_LOST_PEERS_MAX);
    town_free(two.town);
}

static size_t notes(const struct town_device *device)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == 'U' || key[2] == 'W';
    return count;
}

/* What there is to be remembered of a device goes with it. */
static void test_e2e_account_lost__goes_with_its_device(void **state)
{
    struct two two = two_new(14);
    struct town_device *phone = town_link(two.ann);
    struct e2e_lost lost = note_of(&two, 1);

    (void)state;
    assert_int_equal(town_fetch_list(two.bob, two.ann->person), KITH_OK);
    lost.device_id = device_number(phone);
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost);
    note(&two, 2);
    assert_int_equal(notes(two.bob), 2);
    assert_int_equal(e2e_account_remove_device(two.ann->account, two.town->now_ms, phone->server_device), KITH_OK);
    town_upload(two.ann);
    assert_int_equal(town_fetch_list(two.bob, two.ann->person), KITH_OK);
    assert_int_equal(lost_count(two.bob, phone), 0);
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    assert_int_equal(notes(two.bob), 1);
    town_free(two.town);
}

static void test_e2e_account_lost__is_only_a_listed_device(void **state)
{
    struct two two = two_new(15);
    struct e2e_lost lost = note_of(&two, 1);
    uint64_t writes = two.bob->writes;

    (void)state;
    lost.device_id += 100;
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost);
    memcpy(lost.account_id, two.bob->person->id, sizeof lost.account_id); /* this one */
    lost.device_id = device_number(two.bob);
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost);
    memset(lost.account_id, 0x7e, sizeof lost.account_id);
    e2e_account_lost(two.bob->account, two.town->now_ms, &lost);
    assert_int_equal(two.bob->writes, writes);
    town_free(two.town);
}

/* A record that nobody here wrote. */
static void test_e2e_account_lost__refuses_a_record_that_is_none(void **state)
{
    struct two two = two_new(16);
    uint8_t key[2 + sizeof(struct peer_key) + 1] = {'E', 'U'}, value[E2E_TLV_HEAD_BYTES + 9 + 64 * LOST_ITEM_BYTES + 1];

    (void)state;
    memset(value, 0, sizeof value);
    value[1] = 1;
    for (int letter = 0; letter < 2; letter++) {
        const size_t fixed = letter == 0 ? 9 : 0, item = letter == 0 ? LOST_ITEM_BYTES : GIVEN_ITEM_BYTES;
        key[1] = letter == 0 ? 'U' : 'W';
        for (size_t len = 0; len <= 2 * item + fixed; len++) {
            const bool is_good = len >= fixed && (len - fixed) % item == 0 && (letter == 0 || len > 0);
            kith_put_u32_be(value + 2, (uint32_t)len);
            assert_int_equal(e2e_account_load(two.bob->account, kith_slice_of(key, sizeof key - 1),
                                              kith_slice_of(value, E2E_TLV_HEAD_BYTES + len)),
                             is_good ? KITH_OK : KITH_E_MALFORMED);
            assert_int_equal(e2e_account_load(two.bob->account, kith_slice_of(key, sizeof key),
                                              kith_slice_of(value, E2E_TLV_HEAD_BYTES + len)),
                             KITH_E_MALFORMED);
        }
    }
    key[1] = 'U';
    kith_put_u32_be(value + 2, 9 + 64 * LOST_ITEM_BYTES + 1);
    assert_int_equal(
        e2e_account_load(two.bob->account, kith_slice_of(key, sizeof key - 1), kith_slice_of(value, sizeof value)),
        KITH_E_MALFORMED);
    town_free(two.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_lost__what_does_not_open_is_and_what_is_nobodys_is_not),
        cmocka_unit_test(test_e2e_account_lost__what_needs_a_prekey_that_is_gone_is),
        cmocka_unit_test(test_e2e_account_lost__under_a_chain),
        cmocka_unit_test(test_e2e_account_lost__64_of_a_device_and_not_one_more),
        cmocka_unit_test(test_e2e_account_lost__each_is_asked_for_three_times_a_day_apart),
        cmocka_unit_test(test_e2e_account_lost__is_forgotten_in_time),
        cmocka_unit_test(test_e2e_account_lost__a_stranger_is_not_asked_before_the_person_writes),
        cmocka_unit_test(test_e2e_account_lost__nobody_is_asked_whom_trust_forbids),
        cmocka_unit_test(test_e2e_account_lost__nothing_is_asked_for_of_a_group_that_was_left),
        cmocka_unit_test(test_e2e_account_lost__an_answer_that_nobody_asked_for_is_none),
        cmocka_unit_test(test_e2e_account_lost__garbage_brings_about_one_new_session_a_day),
        cmocka_unit_test(test_e2e_account_lost__a_new_session_of_the_others_ends_it),
        cmocka_unit_test(test_e2e_account_lost__what_the_other_began_is_answered_first),
        cmocka_unit_test(test_e2e_account_lost__who_asks_says_which_session_it_can_open),
        cmocka_unit_test(test_e2e_account_lost__4096_devices_and_not_one_more),
        cmocka_unit_test(test_e2e_account_lost__devices_to_be_begun_anew_with_give_way),
        cmocka_unit_test(test_e2e_account_lost__goes_with_its_device),
        cmocka_unit_test(test_e2e_account_lost__is_only_a_listed_device),
        cmocka_unit_test(test_e2e_account_lost__refuses_a_record_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
