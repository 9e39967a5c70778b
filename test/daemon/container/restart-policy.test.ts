import t from 'tap';
import { mayRestart, nextDelay, startsWithDaemon } from '../../../src/daemon/container/restart-policy.js';

const ending = { exitCode: 1, lived: 0, byUser: false, restarts: 0 };

t.test('mayRestart: always and unless-stopped whatever the exit code, no never', async (t) => {
  for (const Name of ['always', 'unless-stopped'] as const) {
    t.equal(mayRestart({ Name }, { ...ending, exitCode: 0 }), true);
    t.equal(mayRestart({ Name }, { ...ending, byUser: true }), false, 'not what was stopped by hand');
  }
  t.equal(mayRestart({ Name: 'no' }, ending), false);
  t.equal(mayRestart(undefined, ending), false);
});

t.test('mayRestart: on-failure looks at the exit code and counts', async (t) => {
  const policy = { Name: 'on-failure', MaximumRetryCount: 2 } as const;
  t.equal(mayRestart(policy, ending), true);
  t.equal(mayRestart(policy, { ...ending, exitCode: 0 }), false);
  t.equal(mayRestart(policy, { ...ending, restarts: 2 }), false);
  t.equal(mayRestart({ Name: 'on-failure' }, { ...ending, restarts: 1000 }), true, 'without a number there is no end');
});

t.test('nextDelay doubles up to a minute, and begins anew after ten seconds of life', async (t) => {
  t.equal(nextDelay(0, 0), 100);
  t.equal(nextDelay(100, 0), 200);
  t.equal(nextDelay(51_200, 0), 60_000);
  t.equal(nextDelay(60_000, 10_000), 100);
});

t.test('startsWithDaemon: what was stopped by hand only with always', async (t) => {
  t.equal(startsWithDaemon({ Name: 'always' }, true), true);
  t.equal(startsWithDaemon({ Name: 'unless-stopped' }, true), false);
  t.equal(startsWithDaemon({ Name: 'unless-stopped' }, false), true);
  t.equal(startsWithDaemon({ Name: 'on-failure' }, false), false);
});
