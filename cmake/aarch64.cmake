# SPDX-License-Identifier: Apache-2.0
# Toolchain: 64-bit ARM on another machine, whose programs qemu runs. FLASHGMM_ARM_ROOT: a folder with libraries that the
# compiler does not bring (./dev neon puts cmocka there).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FLASHGMM_ARM_ROOT)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu ${FLASHGMM_ARM_ROOT}/usr)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu
    -E LD_LIBRARY_PATH=${FLASHGMM_ARM_ROOT}/usr/lib/aarch64-linux-gnu)
