/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-cost.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PACKET_BYTES 32768
#define TRIAL_NS     5000000

/* What cannot be measured is never chosen. */
#define NEVER 1e9

static struct ssh_cost cost;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The processor's time, not the wall's: others may be running. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool packet_put(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, bool mac, uint8_t *packet)
{
	static const uint8_t key[32], iv[16];
	uint8_t tag[EVP_MAX_MD_SIZE];
	unsigned n_tag;
	int n;

	if (EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) != 1 ||
		EVP_EncryptUpdate(ctx, packet, &n, packet, PACKET_BYTES) != 1 ||
		EVP_EncryptFinal_ex(ctx, packet, &n) != 1)
		return false;
	return !mac || HMAC(EVP_sha256(), key, sizeof(key), packet, PACKET_BYTES, tag, &n_tag);
}

/* The best of some tries: a neighbour on the processor makes it slower, nothing makes it faster. */
static double trial(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, bool mac)
{
	static uint8_t packet[PACKET_BYTES];
	double best = NEVER;
	uint64_t start = now_ns(), before = start;

	while (ctx && before - start < TRIAL_NS && packet_put(ctx, cipher, mac, packet)) {
		uint64_t now = now_ns();
		double one = (double)(now - before) / PACKET_BYTES;

		best = one < best ? one : best;
		before = now;
	}
	return best;
}

static void measure(void)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	cost.aes_ctr_hmac = trial(ctx, EVP_aes_128_ctr(), true);
	cost.aes_gcm = trial(ctx, EVP_aes_128_gcm(), false);
	cost.chacha = trial(ctx, EVP_chacha20_poly1305(), false);
	EVP_CIPHER_CTX_free(ctx);
}

const struct ssh_cost *ssh_cost_measure(void)
{
	pthread_once(&once, measure);
	return &cost;
}
