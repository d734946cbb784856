/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - random numbers as pure functions of (seed, stream, index): no state, the same bits everywhere,
 * any number computable alone. Knows no use. */
#ifndef FGI_RANDOM_H
#define FGI_RANDOM_H
#include <math.h>   /* log, sqrt, cos */
#include <stdint.h> /* uint64_t */

#ifdef __CUDACC__
#define FGI_ANYWHERE __host__ __device__
#else
#define FGI_ANYWHERE
#endif

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit. */
FGI_ANYWHERE static inline uint64_t fgi_random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

FGI_ANYWHERE static inline uint64_t fgi_random_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    uint64_t z = fgi_random_mix(seed + golden);
    z = fgi_random_mix(z ^ (stream + 1) * golden);
    return fgi_random_mix(z + (index + 1) * golden);
}

/* Uniform in [0, 1), 53 bits. */
static inline double fgi_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(fgi_random_u64(seed, stream, index) >> 11) * 0x1p-53;
}

/* Standard normal, by Box and Muller from the uniforms 2*index and 2*index + 1. */
static inline double fgi_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    const double two_pi = 6.283185307179586;
    const double u = 1.0 - fgi_random_uniform(seed, stream, 2 * index); /* never 0 */
    const double v = fgi_random_uniform(seed, stream, 2 * index + 1);
    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

/* Uniform in 0 .. bound - 1; the bias is below bound / 2^64. */
static inline int64_t fgi_random_below(uint64_t seed, uint64_t stream, uint64_t index,
                                       int64_t bound)
{
    __extension__ typedef unsigned __int128 u128;
    return (int64_t)(((u128)fgi_random_u64(seed, stream, index) * (uint64_t)bound) >> 64);
}

/* Streams in use, so that no two parts of a fit share numbers. */
enum {
    FGI_STREAM_SAMPLE = 1,  /* which rows are sampled                 */
    FGI_STREAM_SEEDING = 2, /* k-means++ draws                        */
    FGI_STREAM_ROWS = 3,    /* random rows as seeds                   */
    FGI_STREAM_SPLIT = 4,   /* directions of split components         */
    FGI_STREAM_DRAW = 5,    /* fg_gmm_sample: components              */
    FGI_STREAM_NOISE = 6,   /* fg_gmm_sample: coordinates             */
    FGI_STREAM_BUDGET = 7,  /* rows that a storage budget is solved on */
    FGI_STREAM_TUNE = 8,    /* rows that probing is tuned on         */
    FGI_STREAM_GRAPH = 9,   /* rows that walks are measured on       */
    FGI_STREAM_ACCEPT = 10, /* k-means++ draws that are taken        */
    FGI_STREAM_SHARES = 11  /* filters that probing is tuned under   */
};

#endif
