# Third-party libraries. All from Debian, except DuckDB and its httpfs extension, which
# tools/fetch_duckdb.sh brings into .deps/duckdb by the npm client and pip, and librdkafka, which
# tools/fetch_librdkafka.sh brings into .deps/librdkafka; pinned by version and checksum.

find_package(Threads REQUIRED)

set(ASSAY_DUCKDB_DIR "${CMAKE_SOURCE_DIR}/.deps/duckdb" CACHE PATH "libduckdb.so and duckdb.h")
# assay_is_pinned(result dir script): whether a folder holds what the script that fills it has pinned.
function(assay_is_pinned result dir script)
  execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/${script}" --pin
                  OUTPUT_VARIABLE pinned OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(held "")
  if(EXISTS "${dir}/pin")
    file(STRINGS "${dir}/pin" held)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/${script}")
  if("${held}" STREQUAL "${pinned}")
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

assay_is_pinned(has_duckdb "${ASSAY_DUCKDB_DIR}" fetch_duckdb.sh)
if(NOT has_duckdb)
  message(STATUS "DuckDB as it is pinned is not in ${ASSAY_DUCKDB_DIR}: fetching it")
  execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/fetch_duckdb.sh" "${ASSAY_DUCKDB_DIR}"
                  RESULT_VARIABLE fetch_result)
  if(NOT fetch_result EQUAL 0)
    message(FATAL_ERROR "tools/fetch_duckdb.sh failed; run `make deps` and read its message")
  endif()
endif()
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES
  IMPORTED_LOCATION "${ASSAY_DUCKDB_DIR}/libduckdb.so"
  INTERFACE_INCLUDE_DIRECTORIES "${ASSAY_DUCKDB_DIR}")

# assay_library(name file...): an imported target for a Debian library without CMake files.
function(assay_library name)
  find_library(ASSAY_${name}_LIBRARY NAMES ${ARGN} REQUIRED)
  add_library(assay_${name} INTERFACE)
  target_link_libraries(assay_${name} INTERFACE "${ASSAY_${name}_LIBRARY}")
endfunction()

assay_library(lmdb lmdb)
assay_library(protobuf protobuf)
set(ASSAY_RDKAFKA_DIR "${CMAKE_SOURCE_DIR}/.deps/librdkafka" CACHE PATH "librdkafka.a and include")
assay_is_pinned(has_rdkafka "${ASSAY_RDKAFKA_DIR}" fetch_librdkafka.sh)
if(NOT has_rdkafka)
  message(STATUS "librdkafka as it is pinned is not in ${ASSAY_RDKAFKA_DIR}: fetching and building it")
  execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/fetch_librdkafka.sh" "${ASSAY_RDKAFKA_DIR}"
                  RESULT_VARIABLE fetch_result)
  if(NOT fetch_result EQUAL 0)
    message(FATAL_ERROR "tools/fetch_librdkafka.sh failed; run `make deps` and read its message")
  endif()
endif()
assay_library(sasl sasl2)
add_library(rdkafka STATIC IMPORTED)  # so that what it needs stands behind it
set_target_properties(rdkafka PROPERTIES
  IMPORTED_LOCATION "${ASSAY_RDKAFKA_DIR}/librdkafka.a"
  INTERFACE_INCLUDE_DIRECTORIES "${ASSAY_RDKAFKA_DIR}/include"
  INTERFACE_LINK_LIBRARIES
  "assay_sasl;assay_curl;assay_ssl;assay_crypto;assay_zstd;assay_zlib;Threads::Threads;${CMAKE_DL_LIBS};m")
add_library(assay_rdkafka INTERFACE)
target_link_libraries(assay_rdkafka INTERFACE rdkafka)
assay_library(simdjson simdjson)
assay_library(yaml yaml-cpp)
assay_library(sqlite sqlite3)
assay_library(xgboost xgboost)
assay_library(zlib z)
assay_library(zstd zstd)
assay_library(crypto crypto)
assay_library(curl curl)
assay_library(re2 re2)
assay_library(absl_time absl_time)
assay_library(absl_time_zone absl_time_zone)
assay_library(fmt fmt)
assay_library(hiredis hiredis)
assay_library(nghttp2 nghttp2)
assay_library(pq pq)
find_path(ASSAY_pq_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
target_include_directories(assay_pq SYSTEM INTERFACE "${ASSAY_pq_INCLUDE}")
assay_library(ssl ssl)
assay_library(grpc grpc)
assay_library(grpcxx grpc++)
assay_library(gpr gpr)
assay_library(absl_synchronization absl_synchronization)
if(ASSAY_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
