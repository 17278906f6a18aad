#ifndef KITHD_CONFIG_VALUE_H
#define KITHD_CONFIG_VALUE_H

#include "kithd/config.h"

/* One row of the key table. */
struct config_key {
    const char *name;
    enum config_type type;
    const char *text; /* default */
    const char *bounds;
    const char *doc;
};
extern const struct config_key config_keys[CONFIG_ID_COUNT];

/** Sets from text, checked by the key's type and bounds. `message`: what is wrong, no line end. */
KITH_MUST_USE kith_err config_value_set(struct config_value *value, const struct config_key *key, const char *text,
                                        enum config_origin origin, struct kith_buf *message);
void config_value_clear(struct config_value *value);
/** CONFIG_ID_COUNT: no such key. */
enum config_id config_key_find(const char *name, size_t len);
/** The known key that is nearest to `name`, or NULL when none is near. */
const char *config_key_nearest(const char *name, size_t len);
/** Reads a YAML file into the values that are not there yet. */
KITH_MUST_USE kith_err config_file_read(struct config *config, const char *path, struct kith_buf *message);

#endif
