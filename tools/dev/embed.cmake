# cmake -DINPUT=file -DOUTPUT=file.inc -P embed.cmake: the bytes of INPUT and a NUL as a C initializer list. C17 has no #embed.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "${bytes}0x00\n")
