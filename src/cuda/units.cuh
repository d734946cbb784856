/* SPDX-License-Identifier: Apache-2.0 */
/* units.cuh - between nats, in which the world counts, and log2 units, in which kernels do: the chip has 2^x. */
#ifndef FGI_UNITS_CUH
#define FGI_UNITS_CUH

__device__ const double fgi_log2_e = 1.4426950408889634, fgi_ln_2 = 0.6931471805599453, fgi_two_pi = 6.283185307179586;

#endif
