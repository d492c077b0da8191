# Installs Perijove below WORK, which is not where it was configured to go, builds this folder against
# what was installed, and runs it.
#
# cmake -DBUILD=<Perijove's build> -DWORK=<directory> -DGENERATOR=... -DCOMPILER=... -P run.cmake
set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${code}:\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
foreach(file bin/perijove include/perijove/executor.hpp include/perijove/executor_pool.hpp include/perijove/version.hpp)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()

# Kernelspecs name the programs that were installed beside them, not where the build would have put
# them, and these run.
file(GLOB kernelspecs ${prefix}/share/jupyter/kernels/*/kernel.json)
if(NOT kernelspecs)
  message(FATAL_ERROR "no kernelspec was installed")
endif()
foreach(kernelspec ${kernelspecs})
  file(READ ${kernelspec} text)
  string(JSON program GET "${text}" argv 0)
  if(program STREQUAL "python3")  # of whatever environment: what it runs is beside its kernelspec
    string(JSON program GET "${text}" argv 1)
    cmake_path(GET kernelspec PARENT_PATH directory)
    string(REPLACE "{resource_dir}" ${directory} program ${program})
  endif()
  cmake_path(IS_PREFIX prefix ${program} inside)
  if(NOT inside OR NOT EXISTS ${program})
    message(FATAL_ERROR "${kernelspec} starts ${program}, which was not installed below ${prefix}")
  endif()
endforeach()
run(${CMAKE_COMMAND} -E env JUPYTER_PATH=${prefix}/share/jupyter
    ${prefix}/bin/perijove exec --quiet --kernel perijove-echo --work-dir ${WORK}/out
    -c "print installed")
if(NOT out MATCHES "installed")
  message(FATAL_ERROR "the installed kernel printed '${out}'")
endif()

# Nothing but the public API leaves the library.
file(GLOB_RECURSE libraries ${prefix}/*/libperijove.so)
foreach(library ${libraries})
  run(nm -D --defined-only -C ${library})
  string(REGEX MATCHALL "[^\n]+" symbols "${out}")
  set(inside ${symbols})
  list(FILTER inside EXCLUDE REGEX
       " perijove::(Executor::|ExecutorPool::|to_string\\(|exit_code\\(|http_status\\(|format_result)")
  if(NOT symbols OR inside)
    message(FATAL_ERROR "${library} shows what is not public: ${inside}")
  endif()
endforeach()

# As a package of CMake, and as pkg-config tells.
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK}/build)
file(GLOB_RECURSE pc ${prefix}/perijove.pc)
cmake_path(GET pc PARENT_PATH pc_dir)
run(${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${pc_dir} pkg-config --cflags --libs perijove)
separate_arguments(flags UNIX_COMMAND "${out}")
run(${COMPILER} -fsyntax-only ${flags} ${CMAKE_CURRENT_LIST_DIR}/main.cpp)

execute_process(COMMAND ${WORK}/build/consumer WORKING_DIRECTORY ${WORK}
                RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE errors)
if(errors MATCHES "python3' not found")
  message("SKIPPED: no Python kernel: ${errors}")
  return()
endif()
if(NOT code EQUAL 0 OR NOT out STREQUAL "42\nx is 41\n")
  message(FATAL_ERROR "the consumer ended with ${code} and printed '${out}': ${errors}")
endif()
