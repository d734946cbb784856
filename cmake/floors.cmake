# SPDX-License-Identifier: Apache-2.0
# The folders of the library's floors, their instruction sets, and what they need from outside.
# Gives FLOOR_SOURCES, FLOOR_LIBRARIES, and the target flashgmm_floors: what it takes to compile a floor.

set(floor_folders src/base src/kernel src/kernel/ref src/data src/data/formats src/backend src/model
                  src/api)
list(TRANSFORM floor_folders APPEND "/*.c" OUTPUT_VARIABLE floor_patterns)
file(GLOB FLOOR_SOURCES CONFIGURE_DEPENDS ${floor_patterns})

add_library(flashgmm_floors INTERFACE)
foreach(folder include src/base src/kernel src/kernel/simd src/data src/data/formats src/backend src/model
               src/api)
    target_include_directories(flashgmm_floors INTERFACE ${PROJECT_SOURCE_DIR}/${folder})
endforeach()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    file(GLOB avx2_sources CONFIGURE_DEPENDS src/kernel/avx2/*.c)
    file(GLOB avx512_sources CONFIGURE_DEPENDS src/kernel/avx512/*.c)
    file(GLOB vnni_sources CONFIGURE_DEPENDS src/kernel/avx512vnni/*.c)
    file(GLOB amx_sources CONFIGURE_DEPENDS src/kernel/amx/*.c)
    set_source_files_properties(${avx2_sources} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    set_source_files_properties(${avx512_sources} PROPERTIES COMPILE_OPTIONS
        "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c")
    set_source_files_properties(${amx_sources} PROPERTIES COMPILE_OPTIONS
        "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c;-mavx512bf16;-mamx-tile;-mamx-bf16")
    set_source_files_properties(${vnni_sources} PROPERTIES COMPILE_OPTIONS
        "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c;-mavx512vnni")
    set_property(SOURCE ${vnni_sources} ${amx_sources} APPEND PROPERTY INCLUDE_DIRECTORIES
                 ${PROJECT_SOURCE_DIR}/src/kernel/avx512)
    if(FLASHGMM_TILES_IN_MEMORY)
        set_property(SOURCE ${amx_sources} APPEND PROPERTY COMPILE_OPTIONS
                     -include ${PROJECT_SOURCE_DIR}/tests/tiles/tiles_in_memory.h)
        set_property(SOURCE src/base/cpu.c APPEND PROPERTY COMPILE_DEFINITIONS FGI_TILES_IN_MEMORY)
    endif()
    list(APPEND FLOOR_SOURCES ${avx2_sources} ${avx512_sources} ${vnni_sources} ${amx_sources})
    target_compile_definitions(flashgmm_floors INTERFACE FGI_WITH_X86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    file(GLOB neon_sources CONFIGURE_DEPENDS src/kernel/neon/*.c)
    list(APPEND FLOOR_SOURCES ${neon_sources})
    target_compile_definitions(flashgmm_floors INTERFACE FGI_WITH_NEON)
endif()

find_package(Threads REQUIRED)
set(FLOOR_LIBRARIES Threads::Threads m)
if(FLASHGMM_HDF5)
    find_package(HDF5 COMPONENTS C)
    if(HDF5_FOUND)
        list(APPEND FLOOR_LIBRARIES HDF5::HDF5)
        target_compile_definitions(flashgmm_floors INTERFACE FGI_WITH_HDF5)
    endif()
endif()
target_link_libraries(flashgmm_floors INTERFACE ${FLOOR_LIBRARIES})
