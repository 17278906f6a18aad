#ifndef KITH_TESTS_TLS_FIXTURE_H
#define KITH_TESTS_TLS_FIXTURE_H

#include <openssl/evp.h>

/* PEM files for tests of TLS. */

/* passphrase NULL: not encrypted. */
void tls_fixture_key(EVP_PKEY *key, const char *path, const char *passphrase);
/* A self-signed certificate and its key. names: as in a subjectAltName, "IP:127.0.0.1,DNS:localhost". */
void tls_fixture_certificate(const char *cert_path, const char *key_path, const char *names, long serial);

#endif
