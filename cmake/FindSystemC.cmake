# Finds SystemC 2.3.4 or 3.0 and defines SystemC::systemc.
#
# Order: SYSTEMC_HOME (CMake or environment variable), a CMake package named SystemCLanguage found in CMAKE_PREFIX_PATH, pkg-config.
# The user's package registry is not consulted: a SystemC that was once built from source registers itself there and would win silently.
if(TARGET SystemC::systemc)
  return()
endif()
if(NOT SYSTEMC_HOME AND DEFINED ENV{SYSTEMC_HOME})
  set(SYSTEMC_HOME "$ENV{SYSTEMC_HOME}")
endif()

if(SYSTEMC_HOME)
  find_path(SystemC_INCLUDE_DIR systemc PATHS "${SYSTEMC_HOME}" PATH_SUFFIXES include src NO_DEFAULT_PATH)
  find_library(SystemC_LIBRARY systemc PATHS "${SYSTEMC_HOME}" PATH_SUFFIXES lib lib64 lib-linux64 NO_DEFAULT_PATH)
  if(SystemC_INCLUDE_DIR AND SystemC_LIBRARY)
    add_library(SystemC::systemc UNKNOWN IMPORTED)
    set_target_properties(SystemC::systemc PROPERTIES IMPORTED_LOCATION "${SystemC_LIBRARY}"
                          INTERFACE_INCLUDE_DIRECTORIES "${SystemC_INCLUDE_DIR}")
    set(SystemC_ORIGIN "${SYSTEMC_HOME}")
  endif()
else()
  find_package(SystemCLanguage CONFIG QUIET NO_CMAKE_PACKAGE_REGISTRY)
  if(NOT TARGET SystemC::systemc)
    find_package(PkgConfig QUIET)
    pkg_check_modules(SYSTEMC_PC QUIET IMPORTED_TARGET systemc)
    if(SYSTEMC_PC_FOUND)
      add_library(SystemC::systemc INTERFACE IMPORTED)
      target_link_libraries(SystemC::systemc INTERFACE PkgConfig::SYSTEMC_PC)
      set(SystemC_ORIGIN "pkg-config ${SYSTEMC_PC_VERSION}")
    endif()
  endif()
endif()

if(TARGET SystemC::systemc)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES SystemC::systemc)
  set(CMAKE_REQUIRED_FLAGS "-std=c++17")
  check_cxx_source_compiles("#include <systemc>
    extern \"C\" int sc_main(int, char**) { sc_core::sc_start(sc_core::SC_ZERO_TIME); return 0; }" SystemC_LINKS_AS_CXX17)
  unset(CMAKE_REQUIRED_LIBRARIES)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT SystemC_LINKS_AS_CXX17)
    message(FATAL_ERROR "SystemC (${SystemC_ORIGIN}) does not link with -std=c++17; rebuild it with CMAKE_CXX_STANDARD=17.")
  endif()
endif()

include(FindPackageHandleStandardArgs)
set(SystemC_TARGET_FOUND "")
if(TARGET SystemC::systemc)
  set(SystemC_TARGET_FOUND TRUE)
endif()
find_package_handle_standard_args(SystemC REQUIRED_VARS SystemC_TARGET_FOUND
  REASON_FAILURE_MESSAGE "install libsystemc-dev, or set SYSTEMC_HOME")
