#ifndef KITH_TESTS_UNIT_E2E_CLUB_H
#define KITH_TESTS_UNIT_E2E_CLUB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town_group.h"

/* A group of Ann, its owner, with a phone and a tablet, of Bob, an admin, and of Carol. Dan has a phone and a laptop, and is in none. */
struct club {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *carol, *dan, *laptop;
    struct town_group *group;
};
#define MEMBERS 4 /* devices */

/* All members fetch what there is. */
static inline void club_meet(const struct club *club)
{
    struct town_device *all[MEMBERS] = {club->ann, club->tablet, club->bob, club->carol};

    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(town_group_fetch(all[i], club->group), KITH_OK);
        (void)town_read(all[i]);
    }
}

static inline struct club club_new(uint64_t seed)
{
    struct club club = {.town = town_new(seed)};

    club.town->has_few_prekeys = true;
    club.ann = town_join(club.town);
    club.tablet = town_link(club.ann);
    club.bob = town_join(club.town);
    club.carol = town_join(club.town);
    club.dan = town_join(club.town);
    club.laptop = town_link(club.dan);
    club.group = town_group_create(club.ann, (struct town_device *[]){club.bob, club.carol}, 2, "the club");
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ROLE, club.bob, E2E_ROLE_ADMIN));
    club_meet(&club);
    return club;
}

static inline void club_restart_all(const struct club *club)
{
    struct town_device *all[] = {club->ann, club->tablet, club->bob, club->carol, club->dan, club->laptop};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) town_restart(all[i]);
}

static inline size_t club_records_of(const struct town_device *device, char letter)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == (uint8_t)letter;
    return count;
}

static inline kith_err club_link_err(const struct club *club, const struct town_device *device)
{
    struct e2e_join_link link = {{0}, {0}, {0}}, zeros = link;
    kith_err err = e2e_account_join_link(device->account, club->group->chat_id, &link);

    assert_int_equal(memcmp(&link, &zeros, sizeof link) == 0, err != KITH_OK);
    return err;
}

static inline kith_err club_asked_err(const struct club *club, const struct town_device *device,
                                      const struct town_device *asker, const struct kith_buf *request)
{
    return e2e_account_join_asked(device->account, club->group->chat_id, asker->person->id, kith_buf_peek(request));
}

static inline kith_err club_check_err(const struct club *club, struct town_device *device,
                                      const struct kith_buf *request)
{
    return town_join_check(device, club->group, kith_buf_peek(request));
}

static inline bool club_is_member(const struct club *club, const struct town_device *device)
{
    struct e2e_group_view view;

    return e2e_account_group(device->account, club->group->chat_id, &view) && view.is_member;
}

/* As the device asks, but for what `change` says otherwise; may be NULL. */
static inline struct kith_buf club_request(const struct town_device *by, const struct e2e_join_link *link,
                                           void (*change)(struct e2e_join_request *request, uint64_t with),
                                           uint64_t with)
{
    const struct e2e_device_list *own = account_own_list(by->account);
    struct e2e_join_request request = {
        .device_id = by->account->self.device_id, .list_seq = own->seq, .made_at_ms = by->town->now_ms};
    struct kith_buf out;

    memcpy(request.account_id, by->person->id, sizeof request.account_id);
    memcpy(request.list_hash, own->hash, sizeof request.list_hash);
    if (change != NULL) change(&request, with);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_join_sign(link, &request, by->account->self.dsk_secret, &out), KITH_OK);
    return out;
}

#endif
