#include "api/routes.h"

/* openapi.yaml describes these and no others; tests/unit/test_api_openapi.c compares them. */
const struct api_route api_routes[] = {
    {HTTP1_POST, "/users", ROUTE_PUBLIC | ROUTE_BODY, route_user_create},
    {HTTP1_GET, "/users/me", 0, route_me_show},
    {HTTP1_PUT, "/users/me", ROUTE_BODY, route_me_update},
    {HTTP1_DELETE, "/users/me", 0, route_me_delete},
    {HTTP1_GET, "/users/lookup", 0, route_user_lookup},
    {HTTP1_GET, "/users/{user_id}", 0, route_user_show},
    {HTTP1_POST, "/users/{user_id}/block", 0, route_user_block},
    {HTTP1_DELETE, "/users/{user_id}/block", 0, route_user_unblock},
    {HTTP1_GET, "/users/{user_id}/devices", 0, route_user_devices},
    {HTTP1_POST, "/users/devices", ROUTE_BODY, route_users_devices},

    {HTTP1_POST, "/auth/login", ROUTE_PUBLIC | ROUTE_BODY, route_login},
    {HTTP1_POST, "/auth/refresh", ROUTE_PUBLIC | ROUTE_BODY, route_refresh},
    {HTTP1_POST, "/auth/logout", ROUTE_MAYBE_TOKEN | ROUTE_BODY_OPTIONAL, route_logout},

    {HTTP1_GET, "/devices", 0, route_devices},
    {HTTP1_DELETE, "/devices/{device_id}", 0, route_device_delete},
    {HTTP1_PUT, "/devices/me/keys", ROUTE_BODY, route_keys_put},
    {HTTP1_GET, "/devices/me/keys", 0, route_keys_show},
    {HTTP1_POST, "/keys/claim", ROUTE_BODY, route_keys_claim},

    {HTTP1_POST, "/invites", ROUTE_BODY_OPTIONAL, route_invite_create},
    {HTTP1_GET, "/invites", 0, route_invites},
    {HTTP1_DELETE, "/invites/{invite_id}", 0, route_invite_delete},

    {HTTP1_POST, "/chats", ROUTE_BODY, route_chat_create},
    {HTTP1_GET, "/chats", 0, route_chats},
    {HTTP1_GET, "/chats/{chat_id}", 0, route_chat_show},
    {HTTP1_PATCH, "/chats/{chat_id}", ROUTE_BODY, route_chat_update},
    {HTTP1_POST, "/chats/{chat_id}/accept", ROUTE_BODY_OPTIONAL, route_chat_accept},
    {HTTP1_POST, "/chats/{chat_id}/join", ROUTE_BODY, route_chat_join},
    {HTTP1_POST, "/chats/{chat_id}/leave", ROUTE_BODY_OPTIONAL, route_chat_leave},
    {HTTP1_GET, "/chats/{chat_id}/operations", 0, route_group_ops},
    {HTTP1_POST, "/chats/{chat_id}/members", ROUTE_BODY, route_member_add},
    {HTTP1_PATCH, "/chats/{chat_id}/members/{user_id}", ROUTE_BODY, route_member_role},
    {HTTP1_DELETE, "/chats/{chat_id}/members/{user_id}", ROUTE_BODY_OPTIONAL, route_member_remove},

    {HTTP1_POST, "/messages", ROUTE_BODY, route_message_send},
    {HTTP1_GET, "/messages", 0, route_history},
    {HTTP1_DELETE, "/messages", 0, route_message_delete},
    {HTTP1_GET, "/messages/{msg_id}/status", 0, route_message_status},

    {HTTP1_GET, "/livez", ROUTE_PUBLIC | ROUTE_ADMIN, route_livez},
    {HTTP1_GET, "/readyz", ROUTE_PUBLIC | ROUTE_ADMIN, route_readyz},
    {HTTP1_GET, "/openapi.json", ROUTE_PUBLIC, route_openapi},
    {HTTP1_GET, "/metrics", ROUTE_PUBLIC | ROUTE_ADMIN_ONLY | ROUTE_TEXT, route_metrics},
    {HTTP1_GET, NULL, 0, NULL},
};
