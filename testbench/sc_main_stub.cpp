// libsystemc.so carries a main() that calls sc_main. Test programs bring Catch2's main instead; this definition only satisfies the linker.
extern "C" int sc_main(int, char**);
extern "C" int sc_main(int, char**) { return 1; }
