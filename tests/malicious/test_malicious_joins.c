#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/join.h"
#include "ring.h"

/* Who comes into a group by its invite link, and who does not: rows 1, 2 and 4. */

/* The ring with a link of Ann's, and Eve, who has it and has asked. Mallory and the server have not. */
struct door {
    struct ring *ring;
    struct town_device *eve;
    struct e2e_join_link link;
    struct kith_buf request;
};

static struct door door_new(uint64_t seed)
{
    struct door door = {.ring = ring_new(seed)};

    door.eve = town_join(door.ring->town);
    door.link = town_group_link(door.ring->group, door.ring->ann);
    ring_meet(door.ring);
    door.request = town_join_ask(door.eve, &door.link);
    return door;
}

static void door_free(struct door *door)
{
    kith_buf_deinit(&door->request);
    ring_free(door->ring);
}

/* By the keys of that device, whatever it says. */
static struct kith_buf forge_request(const struct town_device *by, const struct e2e_join_link *link,
                                     const struct town_device *asker, uint64_t known_seq)
{
    const struct e2e_device_list *list = town_list_of(asker->person);
    struct e2e_join_request request = {.device_id = forge_keys_of(asker).device_id,
                                       .list_seq = list->seq,
                                       .made_at_ms = asker->town->now_ms,
                                       .known_seq = known_seq};
    struct kith_buf out;

    memcpy(request.account_id, asker->person->id, sizeof request.account_id);
    memcpy(request.list_hash, list->hash, sizeof request.list_hash);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    town_need(e2e_join_sign(link, &request, forge_keys_of(by).dsk, &out) == KITH_OK);
    free((void *)(uintptr_t)list);
    return out;
}

/* An add that `by` signs, by this request; all else of it is right. */
static struct kith_buf forge_add(const struct door *door, const struct town_device *maker, const struct town_device *by,
                                 const struct town_device *subject, const struct kith_buf *request)
{
    struct kith_buf good = forge_op(maker, by, by, ring_head(door->ring, door->ring->ann),
                                    forge_op_of(E2E_GROUP_ADD, subject, E2E_ROLE_MEMBER)),
                    out;
    struct e2e_group_op op;

    town_need(e2e_group_op_decode(kith_buf_peek(&good), &op) == KITH_OK);
    op.request = kith_buf_peek(request);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    forge_sign_op(by, &op, &out);
    kith_buf_deinit(&good);
    return out;
}

/* Nobody believes it, whom the server shows it; no admin's device lets them in; and if one did, no reader would take it. */
static void is_refused(const struct door *door, const struct town_device *asker, const struct kith_buf *request,
                       kith_err op_err)
{
    struct ring *ring = door->ring;
    struct town_device *const admins[] = {ring->ann, ring->tablet, ring->carol};
    struct kith_buf op = forge_add(door, ring->ann, ring->ann, asker, request);

    for (size_t i = 0; i < RING_MEMBERS; i++) {
        struct town_device *member = ring_member(ring, i);
        uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
        town_state_hash(member, before);
        assert_int_not_equal(
            e2e_account_join_asked(member->account, ring->group->chat_id, asker->person->id, kith_buf_peek(request)),
            KITH_OK);
        assert_int_equal(ring_refused(ring, member, kith_buf_peek(&op)), op_err);
        town_state_hash(member, after);
        assert_memory_equal(before, after, sizeof before);
    }
    for (size_t i = 0; i < sizeof admins / sizeof admins[0]; i++)
        assert_int_equal(town_join_check(admins[i], ring->group, kith_buf_peek(request)), KITH_E_DENIED);
    ring_excludes(ring, asker);
    kith_buf_deinit(&op);
}

/* ------------------------------------------------------------------------------------------------ 1 */
/* The key of the link is in the group's state, and so a thief of any member's device knows it, and the server: that proves nothing. */
static void test_malicious__e2e_01_a_forged_proof(void **state)
{
    struct door door = door_new(1100);
    struct town_device *mallory = door.ring->mallory;

    (void)state;
    for (int row = 0; row < 4; row++) {
        struct e2e_join_link guess = door.link;
        struct kith_buf good, bad, inner;
        struct e2e_join_request read;
        uint8_t key[E2E_SIGN_PUBLIC_BYTES], proof[E2E_SIGNATURE_BYTES] = {0};
        guess.secret[0] ^= 1;
        good = forge_request(mallory, &guess, mallory, 0);
        assert_int_equal(e2e_join_decode(kith_buf_peek(&good), &read), KITH_OK);
        e2e_join_key(&door.link, key);
        inner = forge_with(read.bytes, 1, kith_slice_of(key, sizeof key));
        if (row == 1) /* by her own device */
            town_need(e2e_sign(forge_keys_of(mallory).dsk, E2E_LABEL_JOIN, kith_buf_peek(&inner), proof) == KITH_OK);
        if (row == 2) memcpy(proof, read.proof.ptr, sizeof proof); /* by another link */
        if (row == 3) {                                            /* Eve's, which the server saw */
            assert_int_equal(e2e_join_decode(kith_buf_peek(&door.request), &read), KITH_OK);
            memcpy(proof, read.proof.ptr, sizeof proof);
        }
        bad = forge_with(kith_buf_peek(&good), 1, kith_buf_peek(&inner));
        kith_buf_deinit(&good);
        good = forge_with(kith_buf_peek(&bad), 2, kith_slice_of(proof, sizeof proof));
        is_refused(&door, mallory, &good, KITH_E_DENIED);
        kith_buf_deinit(&good);
        kith_buf_deinit(&bad);
        kith_buf_deinit(&inner);
    }
    door_free(&door);
}

/* What Eve asked brings in Eve, and nobody else who shows it. */
static void test_malicious__e2e_01_anothers_request(void **state)
{
    struct door door = door_new(1101);
    struct ring *ring = door.ring;
    struct town_device *mallory = ring->mallory;
    struct kith_buf op = forge_add(&door, ring->ann, ring->ann, mallory, &door.request), bad;
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_join_request read;

    (void)state;
    assert_int_equal(e2e_join_decode(kith_buf_peek(&door.request), &read), KITH_OK);
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        assert_int_equal(e2e_account_join_asked(ring_member(ring, i)->account, ring->group->chat_id,
                                                mallory->person->id, kith_buf_peek(&door.request)),
                         KITH_E_DENIED);
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&op)), KITH_E_MALFORMED);
    }
    /* Signed by Mallory's device, or with another account in it: the proof is of the whole. */
    town_need(e2e_sign(forge_keys_of(mallory).dsk, E2E_LABEL_JOIN, read.bytes, signature) == KITH_OK);
    bad = forge_with(kith_buf_peek(&door.request), 3, kith_slice_of(signature, sizeof signature));
    assert_int_equal(town_join_check(ring->ann, ring->group, kith_buf_peek(&bad)), KITH_E_DENIED);
    kith_buf_deinit(&bad);
    {
        struct kith_buf inner = forge_with(read.bytes, 2,
                                           kith_slice_of(mallory->person->id, sizeof mallory->person->id));
        bad = forge_with(kith_buf_peek(&door.request), 1, kith_buf_peek(&inner));
        is_refused(&door, mallory, &bad, KITH_E_DENIED);
        kith_buf_deinit(&bad);
        kith_buf_deinit(&inner);
    }
    /* Who has the link may ask for themselves; for Eve they may not. */
    bad = forge_request(mallory, &door.link, door.eve, 0);
    assert_int_equal(town_join_check(ring->carol, ring->group, kith_buf_peek(&bad)), KITH_E_DENIED);
    assert_int_equal(town_join_let_in(ring->group, ring->carol, kith_buf_peek(&door.request)), KITH_OK);
    ring_meet(ring);
    ring_excludes(ring, mallory);
    assert_int_equal(town_group_fetch(door.eve, ring->group), KITH_OK);
    assert_true(town_group_view(door.eve, ring->group).is_member);
    kith_buf_deinit(&bad);
    kith_buf_deinit(&op);
    door_free(&door);
}

/* A link of a group where Mallory is welcome, even of the same people and with the same secret, opens no other. */
static void test_malicious__e2e_01_a_request_for_another_group(void **state)
{
    struct door door = door_new(1102);
    struct ring *ring = door.ring;
    struct town_group *other = town_group_create(ring->ann, (struct town_device *[]){ring->carol}, 1, NULL);
    struct e2e_join_link link = town_group_link(other, ring->ann), same_secret = door.link;
    struct kith_buf request = town_join_ask(ring->mallory, &link);

    (void)state;
    is_refused(&door, ring->mallory, &request, KITH_E_DENIED);
    memcpy(same_secret.chat_id, other->chat_id, sizeof same_secret.chat_id);
    kith_buf_deinit(&request);
    request = town_join_ask(ring->mallory, &same_secret);
    is_refused(&door, ring->mallory, &request, KITH_E_DENIED);
    kith_buf_deinit(&request);
    door_free(&door);
}

/* Bob is a member: his key is none of the group's, and whoever has it stays outside. */
static void test_malicious__e2e_01_a_member_makes_a_link(void **state)
{
    struct door door = door_new(1103);
    struct ring *ring = door.ring;
    struct e2e_group_op op = forge_op_of(E2E_GROUP_JOIN_KEY, NULL, 0);
    struct e2e_join_link link = door.link;
    const struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    struct kith_buf made, ends, request;

    (void)state;
    link.secret[0] ^= 1;
    ends = forge_op(ring->ann, ring->bob, ring->bob, ring_head(ring, ring->ann), op);
    e2e_join_key(&link, op.join_key);
    made = forge_op(ring->ann, ring->bob, ring->bob, ring_head(ring, ring->ann), op);
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&made)), KITH_E_DENIED);
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&ends)), KITH_E_DENIED);
    }
    assert_int_equal(town_group_try(ring->group, ring->bob, &change), KITH_E_DENIED);
    request = forge_request(ring->mallory, &link, ring->mallory, 0);
    is_refused(&door, ring->mallory, &request, KITH_E_DENIED);
    kith_buf_deinit(&made);
    kith_buf_deinit(&ends);
    kith_buf_deinit(&request);
    door_free(&door);
}

/* Nor is it his to let somebody in, who has asked as one should. */
static void test_malicious__e2e_01_a_member_lets_in(void **state)
{
    struct door door = door_new(1104);
    struct ring *ring = door.ring;
    struct kith_buf op = forge_add(&door, ring->ann, ring->bob, door.eve, &door.request),
                    by_server = forge_add(&door, ring->ann, ring->mallory, door.eve, &door.request);

    (void)state;
    assert_int_equal(town_join_let_in(ring->group, ring->bob, kith_buf_peek(&door.request)), KITH_E_CLOSED);
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&op)), KITH_E_DENIED);
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&by_server)), KITH_E_DENIED);
    }
    ring_excludes(ring, door.eve);
    kith_buf_deinit(&op);
    kith_buf_deinit(&by_server);
    door_free(&door);
}

/* Dan is removed, who knows the link; and a link was replaced, or ended. The server shows all there ever was once more. */
static void test_malicious__e2e_01_a_link_that_ended(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct door door = door_new(1105);
        struct ring *ring = door.ring;
        struct e2e_group_change end = town_change(E2E_GROUP_REMOVE, ring->dan, 0);
        struct kith_buf request;
        if (row > 0) end = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
        end.ends = row == 1;
        town_group_must(ring->group, ring->carol, end);
        ring_meet(ring);
        for (size_t i = 0; i < ring->group->op_count; i++)
            for (size_t j = 0; j < RING_MEMBERS; j++)
                assert_int_equal(ring_refused(ring, ring_member(ring, j), kith_buf_peek(&ring->group->ops[i])),
                                 KITH_OK);
        is_refused(&door, door.eve, &door.request, KITH_E_DENIED);
        if (row == 0) {
            request = town_join_ask(ring->dan, &door.link);
            is_refused(&door, ring->dan, &request, KITH_E_DENIED);
            kith_buf_deinit(&request);
        }
        door_free(&door);
    }
}

/* Eve has left. What she once asked, before she came and while she was in it, brings her back as little as it came from her. */
static void test_malicious__e2e_01_what_somebody_asked_before_they_left(void **state)
{
    struct door door = door_new(1106);
    struct ring *ring = door.ring;
    struct kith_buf within, again;

    (void)state;
    assert_int_equal(town_join_let_in(ring->group, ring->ann, kith_buf_peek(&door.request)), KITH_OK);
    assert_int_equal(town_group_fetch(door.eve, ring->group), KITH_OK);
    within = forge_request(door.eve, &door.link, door.eve, ring_head(ring, door.eve)->seq);
    town_group_must(ring->group, door.eve, town_change(E2E_GROUP_LEAVE, NULL, 0));
    ring_meet(ring);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(town_join_let_in(ring->group, ring->ann, kith_buf_peek(&door.request)), KITH_E_DENIED);
        assert_int_equal(town_join_let_in(ring->group, ring->ann, kith_buf_peek(&within)), KITH_E_DENIED);
        town_restart(ring->ann);
    }
    ring_excludes(ring, door.eve);
    again = town_join_ask(door.eve, &door.link);
    assert_int_equal(town_join_let_in(ring->group, ring->ann, kith_buf_peek(&again)), KITH_OK);
    kith_buf_deinit(&again);
    kith_buf_deinit(&within);
    door_free(&door);
}

/* Every byte of a request counts, and every piece that is missing: to Ann's device, and to who is shown it. */
static void test_malicious__e2e_01_damaged_requests(void **state)
{
    struct door door = door_new(1107);
    struct town_device *ann = door.ring->ann;
    const struct kith_slice good = kith_buf_peek(&door.request);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_wants *wants = calloc(1, sizeof *wants);

    (void)state;
    assert_non_null(wants);
    assert_int_equal(town_fetch_list(ann, door.eve->person), KITH_OK);
    town_state_hash(ann, before);
    for (size_t i = 0; i < good.len; i++) {
        struct kith_buf bad = forge_copy(good);
        bad.ptr[i] ^= 1u << i % 8;
        assert_int_not_equal(e2e_account_join_check(ann->account, ann->town->now_ms, door.ring->group->chat_id,
                                                    kith_buf_peek(&bad), true, wants),
                             KITH_OK);
        assert_int_equal(e2e_account_join_check(ann->account, ann->town->now_ms, door.ring->group->chat_id,
                                                kith_slice_of(good.ptr, i), true, wants),
                         KITH_E_MALFORMED);
        assert_int_equal(e2e_account_join_asked(ann->account, door.ring->group->chat_id, door.eve->person->id,
                                                kith_slice_of(good.ptr, i)),
                         KITH_E_MALFORMED);
        kith_buf_deinit(&bad);
    }
    town_state_hash(ann, after);
    assert_memory_equal(before, after, sizeof before);
    free(wants);
    assert_int_equal(town_join_let_in(door.ring->group, ann, good), KITH_OK);
    door_free(&door);
}

/* ------------------------------------------------------------------------------------------------ 2 */
/* A device of Eve's that she has removed knows the link. Nor may one ask that the server has put into no list of hers. */
static void test_malicious__e2e_02_a_device_that_is_none_asks(void **state)
{
    struct door door = door_new(2300);
    struct ring *ring = door.ring;
    struct town_device *lost = town_link(door.eve);
    struct kith_buf request = forge_request(lost, &door.link, lost, 0), by_mallory;

    (void)state;
    assert_int_equal(town_join_check(ring->ann, ring->group, kith_buf_peek(&request)), KITH_OK);
    town_need(e2e_account_remove_device(door.eve->account, TOWN_NOW, lost->server_device) == KITH_OK);
    town_upload(door.eve);
    assert_int_equal(town_fetch_list(ring->ann, door.eve->person), KITH_OK);
    assert_int_equal(town_join_check(ring->ann, ring->group, kith_buf_peek(&request)), KITH_E_DENIED);
    by_mallory = forge_request(ring->mallory, &door.link, door.eve, 0);
    assert_int_equal(town_join_check(ring->ann, ring->group, kith_buf_peek(&by_mallory)), KITH_E_DENIED);
    kith_buf_deinit(&by_mallory);
    kith_buf_deinit(&request);
    door_free(&door);
}

/* ------------------------------------------------------------------------------------------------ 4 */
static bool has_come(const struct door *door)
{
    struct e2e_group_view view;

    return e2e_account_group(door->eve->account, door->ring->group->chat_id, &view) && view.is_member;
}

/* Ann lets her in, and what the server shows is what there is: then she is. */
static void comes_in_the_end(struct door *door)
{
    assert_false(has_come(door));
    assert_int_equal(town_join_let_in(door->ring->group, door->ring->ann, kith_buf_peek(&door->request)), KITH_OK);
    assert_int_equal(town_group_fetch(door->eve, door->ring->group), KITH_OK);
    assert_true(has_come(door));
    assert_true(town_group_same(door->eve, door->ring->ann, door->ring->group));
}

/* In Ann's chat the server shows a group of Mallory's, who lets Eve in; or one that has had her in it from the beginning. */
static void test_malicious__e2e_04_who_asks_is_led_into_another_group(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct door door = door_new(4500);
        struct ring *ring = door.ring;
        struct town_group *other = town_group_create(
            ring->mallory, (struct town_device *[]){row == 0 ? ring->dan : door.eve}, 1, "us");
        size_t last;
        (void)town_group_link(other, ring->mallory);
        if (row == 0) town_group_must(other, ring->mallory, town_change(E2E_GROUP_ADD, door.eve, E2E_ROLE_MEMBER));
        last = row == 0 ? other->op_count - 1 : 0;
        for (size_t i = 0; i < last; i++)
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&other->ops[i])), KITH_OK);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&other->ops[last])), KITH_OK);
            assert_false(has_come(&door));
            assert_int_equal(town_group_try_send(door.eve, ring->group), KITH_E_CLOSED);
            town_restart(door.eve);
        }
        /* What she has read of it is no group of hers: she asks again, and reads anew. */
        kith_buf_deinit(&door.request);
        door.request = town_join_ask(door.eve, &door.link);
        comes_in_the_end(&door);
        door_free(&door);
    }
}

/*
 * The right group up to the link's operation, or to the one before it; then the server goes on by itself, where Mallory is an admin and
 * lets Eve in, by what Eve has asked. Whoever signed what makes Mallory one is in it, and Mallory did.
 */
static void test_malicious__e2e_04_who_asks_is_led_astray_behind_the_link(void **state)
{
    (void)state;
    for (size_t before_link = 0; before_link < 2; before_link++) {
        struct door door = door_new(4501);
        struct ring *ring = door.ring;
        const size_t kept = ring->group->op_count - before_link;
        struct e2e_group_op op = forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_ADMIN);
        struct kith_buf made, let_in;
        struct e2e_group *head = NULL, *next = NULL;
        for (size_t i = 0; i < kept; i++)
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&ring->group->ops[i])), KITH_OK);
        town_restart(door.eve);
        {
            struct kith_buf saved;
            kith_buf_init(&saved, E2E_GROUP_SAVED_BYTES_MAX);
            town_need(e2e_group_save(ring_head(ring, door.eve), &saved) == KITH_OK);
            town_need(e2e_group_load(kith_buf_peek(&saved), &head) == KITH_OK);
            kith_buf_deinit(&saved);
        }
        made = forge_op(ring->ann, ring->ann, ring->mallory, head, op);
        town_need(e2e_group_op_decode(kith_buf_peek(&made), &op) == KITH_OK);
        town_need(e2e_group_apply(head, &op, &next) == KITH_OK);
        op = forge_op_of(E2E_GROUP_ADD, door.eve, E2E_ROLE_MEMBER);
        if (before_link == 0) op.request = kith_buf_peek(&door.request);
        let_in = forge_op(ring->mallory, ring->mallory, ring->mallory, next, op);
        /* Before the link's operation anything is taken, and nobody is in by it; from it on only what is signed. */
        assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&made)),
                         before_link == 0 ? KITH_E_DENIED : KITH_OK);
        if (before_link == 0)
            assert_int_not_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&let_in)), KITH_OK);
        else
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&let_in)), KITH_OK);
        assert_false(has_come(&door));
        assert_int_equal(town_group_try_send(door.eve, ring->group), KITH_E_CLOSED);
        if (before_link == 0) comes_in_the_end(&door);
        if (before_link == 1) assert_false(has_come(&door));
        kith_buf_deinit(&made);
        kith_buf_deinit(&let_in);
        e2e_group_free(head);
        e2e_group_free(next);
        door_free(&door);
    }
}

/* The link's own operation, as if another had signed it; or what it names, and another after it. */
static void test_malicious__e2e_04_the_links_operation_of_another(void **state)
{
    struct door door = door_new(4502);
    struct ring *ring = door.ring;
    const size_t last = ring->group->op_count - 1;
    struct kith_buf bad = forge_copy(kith_buf_peek(&ring->group->ops[last]));

    (void)state;
    for (size_t i = 0; i < last; i++)
        assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&ring->group->ops[i])), KITH_OK);
    bad.ptr[bad.tail - 1] ^= 1; /* the same bytes, by nobody */
    assert_int_equal(ring_refused(ring, door.eve, kith_buf_peek(&bad)), KITH_E_DENIED);
    comes_in_the_end(&door);
    kith_buf_deinit(&bad);
    door_free(&door);
}

/*
 * Before Eve asks, the server has shown a group of Mallory's in Ann's chat, where she is, or was; or that has Ann's link, too. She is not
 * told that she is in Ann's group by that, and Mallory does not let her in again.
 */
static void test_malicious__e2e_04_another_group_is_there_before_somebody_asks(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct door door = {.ring = ring_new(4503)};
        struct ring *ring = door.ring;
        struct town_group *other;
        struct e2e_group_op op = forge_op_of(E2E_GROUP_JOIN_KEY, NULL, 0);
        door.eve = town_join(ring->town);
        door.link = town_group_link(ring->group, ring->ann);
        other = town_group_create(ring->mallory, &door.eve, 1, "us");
        if (row > 0) town_group_must(other, ring->mallory, town_change(E2E_GROUP_REMOVE, door.eve, 0));
        for (size_t i = 0; i < other->op_count; i++)
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&other->ops[i])), KITH_OK);
        if (row == 2) {
            struct kith_buf same_link;
            e2e_join_key(&door.link, op.join_key);
            same_link = forge_op(ring->mallory, ring->mallory, ring->mallory, ring_head(ring, door.eve), op);
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&same_link)), KITH_OK);
            kith_buf_deinit(&same_link);
        }
        kith_buf_init(&door.request, E2E_JOIN_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_account_join_ask(door.eve->account, TOWN_NOW, &door.link, &door.request),
                         row == 1 ? KITH_OK : KITH_E_NOTFOUND);
        assert_int_equal(kith_buf_len(&door.request) > 0, row == 1);
        for (int i = 0; row == 1 && i < 2; i++) {
            if (i == 0) town_group_must(other, ring->mallory, town_change(E2E_GROUP_ADD, door.eve, E2E_ROLE_MEMBER));
            assert_int_equal(town_group_give(door.eve, ring->group, kith_buf_peek(&other->ops[other->op_count - 1])),
                             KITH_OK);
            assert_false(has_come(&door));
            assert_int_equal(town_group_try_send(door.eve, ring->group), KITH_E_CLOSED);
            town_restart(door.eve);
        }
        door_free(&door);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_01_a_forged_proof),
        cmocka_unit_test(test_malicious__e2e_01_anothers_request),
        cmocka_unit_test(test_malicious__e2e_01_a_request_for_another_group),
        cmocka_unit_test(test_malicious__e2e_01_a_member_makes_a_link),
        cmocka_unit_test(test_malicious__e2e_01_a_member_lets_in),
        cmocka_unit_test(test_malicious__e2e_01_a_link_that_ended),
        cmocka_unit_test(test_malicious__e2e_01_what_somebody_asked_before_they_left),
        cmocka_unit_test(test_malicious__e2e_01_damaged_requests),
        cmocka_unit_test(test_malicious__e2e_02_a_device_that_is_none_asks),
        cmocka_unit_test(test_malicious__e2e_04_who_asks_is_led_into_another_group),
        cmocka_unit_test(test_malicious__e2e_04_who_asks_is_led_astray_behind_the_link),
        cmocka_unit_test(test_malicious__e2e_04_another_group_is_there_before_somebody_asks),
        cmocka_unit_test(test_malicious__e2e_04_the_links_operation_of_another),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
