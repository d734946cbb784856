/* SPDX-License-Identifier: Apache-2.0 */
/* checksum.c - XXH64 with seed 0, as its specification describes it: four lanes eat 32 bytes at a
 * time, then are folded into one word that eats the rest. Knows bytes only. */
#include "checksum.h"

#include <string.h> /* memcpy */

enum { STRIPE_BYTES = 32 };

static const uint64_t prime1 = 0x9e3779b185ebca87u, prime2 = 0xc2b2ae3d27d4eb4fu,
                      prime3 = 0x165667b19e3779f9u, prime4 = 0x85ebca77c2b2ae63u,
                      prime5 = 0x27d4eb2f165667c5u;

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static uint64_t read_u64(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t read_u32(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t stir(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * prime2, 31) * prime1;
}

static void eat_stripe(uint64_t lane[4], const unsigned char *stripe)
{
    for (int i = 0; i < 4; i++) lane[i] = stir(lane[i], read_u64(stripe + 8 * i));
}

static uint64_t fold(const uint64_t lane[4])
{
    uint64_t word =
        rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (int i = 0; i < 4; i++) word = (word ^ stir(0, lane[i])) * prime1 + prime4;
    return word;
}

/* the last 0..31 bytes: words, then half a word, then single bytes */
static uint64_t eat_rest(uint64_t word, const unsigned char *rest, uint32_t bytes)
{
    uint32_t at = 0;
    for (; at + 8 <= bytes; at += 8)
        word = rotate(word ^ stir(0, read_u64(rest + at)), 27) * prime1 + prime4;
    if (at + 4 <= bytes) {
        word = rotate(word ^ read_u32(rest + at) * prime1, 23) * prime2 + prime3;
        at += 4;
    }
    for (; at < bytes; at++) word = rotate(word ^ rest[at] * prime5, 11) * prime1;
    return word;
}

void fgi_checksum_begin(fgi_checksum *sum)
{
    *sum = (fgi_checksum){.lane = {prime1 + prime2, prime2, 0, 0 - prime1}};
}

void fgi_checksum_add(fgi_checksum *sum, const void *data, size_t bytes)
{
    if (bytes == 0) return; /* data may then be NULL */
    const unsigned char *at = data;
    sum->total_bytes += bytes;
    if (sum->waiting_bytes > 0) {
        const size_t room = STRIPE_BYTES - sum->waiting_bytes, take = bytes < room ? bytes : room;
        memcpy(sum->waiting + sum->waiting_bytes, at, take);
        sum->waiting_bytes += (uint32_t)take;
        at += take;
        bytes -= take;
        if (sum->waiting_bytes < STRIPE_BYTES) return;
        eat_stripe(sum->lane, sum->waiting);
    }
    for (; bytes >= STRIPE_BYTES; at += STRIPE_BYTES, bytes -= STRIPE_BYTES)
        eat_stripe(sum->lane, at);
    memcpy(sum->waiting, at, bytes);
    sum->waiting_bytes = (uint32_t)bytes;
}

uint64_t fgi_checksum_end(const fgi_checksum *sum)
{
    /* fewer than 32 bytes in all never reached the lanes */
    uint64_t word = sum->total_bytes >= STRIPE_BYTES ? fold(sum->lane) : prime5;
    word = eat_rest(word + sum->total_bytes, sum->waiting, sum->waiting_bytes);
    word = (word ^ word >> 33) * prime2;
    word = (word ^ word >> 29) * prime3;
    return word ^ word >> 32;
}

uint64_t fgi_checksum_of(const void *data, size_t bytes)
{
    fgi_checksum sum;
    fgi_checksum_begin(&sum);
    fgi_checksum_add(&sum, data, bytes);
    return fgi_checksum_end(&sum);
}
