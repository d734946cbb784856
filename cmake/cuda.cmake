# SPDX-License-Identifier: Apache-2.0
# The CUDA backend, where there is a compiler for it. Gives CUDA_OBJECTS (device code, empty without one) and adds to
# FLOOR_SOURCES and FLOOR_LIBRARIES. Knows the chips; the run-time library is linked statically and finds the
# driver when it is first used, so that what is built here starts on machines without one.

set(FLASHGMM_CUDA AUTO CACHE STRING "the CUDA backend: ON, OFF, or AUTO where nvcc is found")
set(FLASHGMM_CUDA_ARCHITECTURES "75-real;80-real;90" CACHE STRING
    "chips to compile for, as CMAKE_CUDA_ARCHITECTURES; the last one's PTX serves later chips")

set(least_cuda 12.5) # tensor maps by version of their function

set(CUDA_OBJECTS "")
file(GLOB cuda_backend_sources CONFIGURE_DEPENDS src/backend/cuda*.c)
list(REMOVE_ITEM FLOOR_SOURCES ${cuda_backend_sources})

# What runs under a sanitizer or a fuzzer has no device: it would compile much and test nothing.
if(FLASHGMM_CUDA STREQUAL "AUTO" AND NOT FLASHGMM_SANITIZE AND NOT FLASHGMM_FUZZ)
    include(CheckLanguage)
    check_language(CUDA)
    find_package(CUDAToolkit ${least_cuda} QUIET)
    if(CMAKE_CUDA_COMPILER AND CUDAToolkit_FOUND)
        set(with_cuda ON)
    endif()
elseif(FLASHGMM_CUDA STREQUAL "ON")
    set(with_cuda ON)
endif()

if(with_cuda)
    set(CMAKE_CUDA_ARCHITECTURES ${FLASHGMM_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    find_package(CUDAToolkit ${least_cuda} REQUIRED)
    file(GLOB cuda_sources CONFIGURE_DEPENDS src/cuda/*.cu)
    file(GLOB hopper_sources CONFIGURE_DEPENDS src/cuda/sparse_*.cu src/cuda/soft_*.cu)
    list(REMOVE_ITEM cuda_sources ${hopper_sources})
    add_library(flashgmm_cuda OBJECT ${cuda_sources})
    # instructions of one chip, which no other one has, nor its PTX: chosen at run time by compute capability
    add_library(flashgmm_cuda_hopper OBJECT ${hopper_sources})
    set_target_properties(flashgmm_cuda_hopper PROPERTIES CUDA_ARCHITECTURES 90a-real)
    foreach(part flashgmm_cuda flashgmm_cuda_hopper)
        target_include_directories(${part} PRIVATE src/base include)
        set_target_properties(${part} PROPERTIES CUDA_STANDARD 17 CUDA_VISIBILITY_PRESET hidden
                                                 POSITION_INDEPENDENT_CODE ON)
        # neither exceptions nor the C++ library: C programs link with this
        target_compile_options(${part} PRIVATE
            -lineinfo -Xcompiler=-Wall,-Wextra,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics,-ffp-contract=off)
        if(FLASHGMM_WERROR)
            target_compile_options(${part} PRIVATE -Werror=all-warnings)
        endif()
        list(APPEND CUDA_OBJECTS $<TARGET_OBJECTS:${part}>)
    endforeach()
    list(APPEND FLOOR_SOURCES ${cuda_backend_sources})
    set(cuda_libraries ${CUDAToolkit_LIBRARY_DIR}/libcudart_static.a rt ${CMAKE_DL_LIBS})
    list(APPEND FLOOR_LIBRARIES ${cuda_libraries})
    set(cuda_pc_libraries ${CUDAToolkit_LIBRARY_DIR}/libcudart_static.a -lrt -ldl)
    target_include_directories(flashgmm_floors INTERFACE src/cuda)
    target_include_directories(flashgmm_floors SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
    target_link_libraries(flashgmm_floors INTERFACE ${cuda_libraries})
    target_compile_definitions(flashgmm_floors INTERFACE FGI_WITH_CUDA)
    message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
else()
    message(STATUS "without CUDA")
endif()
