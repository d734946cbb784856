# SPDX-License-Identifier: Apache-2.0
# What an installed copy holds: the header, both libraries, the tool, and how others find them
# (find_package and pkg-config; tests/install proves both).
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/flashgmm)

install(FILES include/flashgmm.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS flashgmm EXPORT flashgmm-shared)
install(TARGETS flashgmm_static EXPORT flashgmm-static)
install(TARGETS flashgmm-cli)
install(DIRECTORY demo DESTINATION ${CMAKE_INSTALL_DATADIR}/flashgmm)

# Two exports, since only the static library needs its dependencies to be found again.
install(EXPORT flashgmm-shared NAMESPACE flashgmm:: DESTINATION ${package_folder})
install(EXPORT flashgmm-static NAMESPACE flashgmm:: DESTINATION ${package_folder})
configure_package_config_file(cmake/flashgmm-config.cmake.in flashgmm-config.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(flashgmm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flashgmm-config.cmake
              ${PROJECT_BINARY_DIR}/flashgmm-config-version.cmake DESTINATION ${package_folder})

# Relative to itself, so that an installed copy may be moved.
file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(static_libraries -pthread -lm)
if(HDF5_FOUND)
    set(hdf5_libraries ${HDF5_C_LIBRARIES})
    list(FILTER hdf5_libraries INCLUDE REGEX hdf5) # it finds the libraries below it by itself
    list(APPEND static_libraries ${hdf5_libraries})
endif()
list(APPEND static_libraries ${cuda_pc_libraries})
list(JOIN static_libraries " " static_libraries)
configure_file(cmake/flashgmm.pc.in flashgmm.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/flashgmm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
