# cmake -DKERNELS=DIR -DWORK=DIR -DCOMPILER=FILE -P newer_xeus.cmake
# Configures the kernels with a package that says that it is xeus 3, or 6, in the place of the real one:
# CMake must stop, and say why.
foreach(version 3.0.0 6.0.5)
  file(REMOVE_RECURSE ${WORK})
  file(WRITE ${WORK}/xeus/xeusConfig.cmake "add_library(xeus INTERFACE IMPORTED)\n")
  file(WRITE ${WORK}/xeus/xeusConfigVersion.cmake "set(PACKAGE_VERSION ${version})\n")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${KERNELS} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${COMPILER}
            -Dxeus_DIR=${WORK}/xeus
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE complaint)
  string(REGEX REPLACE "[ \n]+" " " complaint "${complaint}")
  if(status EQUAL 0)
    message(FATAL_ERROR "it was configured with xeus ${version}")
  endif()
  foreach(words "Found xeus ${version}, but the kernels are written for xeus 2.4" "xeus-dev")
    string(FIND "${complaint}" "${words}" place)
    if(place EQUAL -1)
      message(FATAL_ERROR "'${words}' is not in what it says of xeus ${version}: ${complaint}")
    endif()
  endforeach()
endforeach()
file(REMOVE_RECURSE ${WORK})
