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

t.test('applyChanges() reads quotes before what variables hold', async (t) => {
  const config = { Env: ["QUOTE=it's", 'PORTS=80 81/udp', 'SPACED=/a b'], WorkingDir: '/w' };
  const made = applyChanges(config, [
    `ENV A="it's $SPACED" B='$QUOTE' C=$QUOTE`,
    'LABEL "x y"="$QUOTE"',
    'EXPOSE $PORTS "82"',
    'VOLUME $SPACED /c',
    'WORKDIR "sub $QUOTE"',
    'USER "$QUOTE"',
  ]);
  t.same(made.Env?.slice(3), ["A=it's /a b", 'B=$QUOTE', "C=it's"]);
  t.same(made.Labels, { 'x y': "it's" });
  t.same(made.ExposedPorts, { '80/tcp': {}, '81/udp': {}, '82/tcp': {} });
  t.same(made.Volumes, { '/a b': {}, '/c': {} });
  t.match(made, { WorkingDir: "/w/sub it's", User: "it's" });
  t.same(applyChanges({}, ['ENV A  "two  words" x']).Env, ['A=two  words x'], 'the old form');
  for (const [change, message] of [
    ["ENV A=it's", /ENV "it's": a single quote has no end/],
    ['ENV A=1 B', /ENV "B": must be NAME=value/],
    ['ENV A', /ENV "A": must be NAME=value/],
    ['LABEL =x', /LABEL "=x": must be NAME=value/],
  ] as const)
    t.throws(() => applyChanges({}, [change]), { code: 'REQUEST_INVALID', message });
});
