# The page of the simulator as C: cmake -DFOLDER=sim/page -DOUT=file.c -P page.cmake
# page.html with the other files where it says so. What the simulator prints between its two halves
# is the data.
file(READ ${FOLDER}/page.html page)
foreach(name page.css density.js page.js)
  file(READ ${FOLDER}/${name} part)
  string(REPLACE "/* ${name} */" "${part}" page "${page}")
endforeach()
file(WRITE ${OUT}.txt "${page}")
file(READ ${OUT}.txt hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n"
  bytes "${bytes}")
file(WRITE ${OUT} "#include \"sim/sim_html_private.h\"\n\nconst unsigned char sim_html_page[] = {\n${bytes} 0\n};\n")
