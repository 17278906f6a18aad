#ifndef KITH_NET_TLS_BIO_H
#define KITH_NET_TLS_BIO_H

#include <openssl/bio.h>

/**
 * OpenSSL's way to a socket. Its own socket BIO writes with write(), which raises SIGPIPE when the peer has gone; this
 * one sends with MSG_NOSIGNAL. The descriptor stays the caller's. NULL: no memory.
 */
BIO *tls_bio_new(int fd);

#endif
