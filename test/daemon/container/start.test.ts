import t from 'tap';
import { exitCodeOf } from '../../../src/daemon/container/start.js';

t.test('exitCodeOf: what clients make 126, 127 and 125 of', async (t) => {
  t.equal(exitCodeOf('exec: "nosuch": executable file not found in $PATH'), 127);
  t.equal(exitCodeOf('exec: "/a": no such file or directory'), 127);
  t.equal(exitCodeOf('exec: "/etc": is a directory: permission denied'), 126);
  t.equal(exitCodeOf("/cwd: change to the directory '/nosuch': ENOENT (no such file or directory)"), 126);
  t.equal(exitCodeOf('anything else'), 128);
});
