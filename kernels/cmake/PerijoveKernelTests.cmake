# perijove_kernel_tests(PREFIX [ENVIRONMENT name=value...])
# Makes a CTest test PREFIX.<class> of each class of tests in the current folder's test_*.py, run by
# the folder's run_tests.py. The kernels are driven by jupyter_client, as a stranger would (Debian:
# python3-jupyter-client).
set(PERIJOVE_PYTHON /usr/bin/python3 CACHE FILEPATH "A Python that has jupyter_client, for tests")

function(perijove_kernel_tests prefix)
  cmake_parse_arguments(arg "" "" "ENVIRONMENT" ${ARGN})
  file(GLOB modules CONFIGURE_DEPENDS test_*.py)
  foreach(module ${modules})
    get_filename_component(name ${module} NAME_WE)
    file(STRINGS ${module} classes REGEX "^class [A-Za-z]+\\([A-Za-z]*KernelTestCase\\):")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${module})
    foreach(line ${classes})
      string(REGEX MATCH "[A-Z][A-Za-z]+" class ${line})
      if(class MATCHES "TestCase$")
        continue()  # what the others have in common
      endif()
      add_test(NAME ${prefix}.${class}
        COMMAND ${PERIJOVE_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/run_tests.py ${name}.${class})
      set_tests_properties(${prefix}.${class} PROPERTIES
        LABELS kernel
        SKIP_RETURN_CODE 77
        ENVIRONMENT "JUPYTER_PATH=${CMAKE_BINARY_DIR}/share/jupyter;PERIJOVE_SANITIZED=${PERIJOVE_SANITIZE};${arg_ENVIRONMENT}")
    endforeach()
  endforeach()
endfunction()
