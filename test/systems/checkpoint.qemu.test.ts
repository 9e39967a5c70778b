// The tests of checkpoint and restore on the kernel that Debian's CRIU was made for.
import '../integration/checkpoint.test.js';
