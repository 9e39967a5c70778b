// docker commit --change: instructions over the config of a container.
import t from 'tap';
import { applyChanges } from '../../../src/daemon/container/commit-config.js';

const CONFIG = { Env: ['PATH=/bin', 'EMPTY='] };

t.test("applyChanges() replaces $NAME by the image's variables, as a Dockerfile does", async (t) => {
  const env = (text: string) => applyChanges(CONFIG, [`ENV ${text.replaceAll('@', '$')}`]).Env?.at(-1);
  t.equal(env('A=/usr/bin:$PATH'), 'A=/usr/bin:/bin');
  t.equal(env('A="@{PATH}:/x" '), 'A=/bin:/x');
  t.equal(env('A=@{NONE:-other}@{PATH:+set}@{EMPTY:-e}'), 'A=othersete');
  t.equal(env("A='$PATH'"), 'A=$PATH', 'not in single quotes');
  t.equal(env('A=\\$PATH'), 'A=$PATH', 'nor behind a backslash');
  t.equal(env('A=$NONE.'), 'A=.');
  t.same(applyChanges(CONFIG, ['ENV PATH=/sbin:$PATH']).Env, ['PATH=/sbin:/bin', 'EMPTY=']);
  t.equal(applyChanges(CONFIG, ['WORKDIR $PATH/x']).WorkingDir, '/bin/x');
  t.same(applyChanges(CONFIG, ['CMD echo $PATH']).Cmd, ['/bin/sh', '-c', 'echo $PATH'], 'a shell does it itself');
});
