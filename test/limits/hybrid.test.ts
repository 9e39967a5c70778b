// Limits on a host whose controllers are still bound to cgroup v1 (hybrid): a limit that cannot be applied is refused
// with the field, the controller and what to do, and leaves nothing; a container without limits runs.
import t from 'tap';
import { needHybrid, skipUnless } from '../helpers/host.js';
import { IS_TSRUN, must, needRuntime, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needHybrid(), IS_TSRUN ? false : 'other runtimes use the v1 controllers');

const LIMITS = [
  { resources: { memory: { limit: 33554432 } }, field: /\/linux\/resources\/memory\/limit/, controller: /memory/ },
  { resources: { pids: { limit: 20 } }, field: /\/linux\/resources\/pids\/limit/, controller: /pids/ },
  { resources: { cpu: { quota: 50000, period: 100000 } }, field: /\/linux\/resources\/cpu/, controller: /cpu/ },
  {
    resources: { unified: { 'memory.max': '1' } },
    field: /\/linux\/resources\/unified\/memory\.max/,
    controller: /memory/,
  },
];

for (const { resources, field, controller } of LIMITS) {
  t.test(`${Object.keys(resources)[0]}: refused where its controller is not in cgroup v2`, { skip }, async (t) => {
    const box = sandbox(t);
    const id = box.id();
    const bundle = box.bundle(['true'], (config) => {
      config['linux'].resources = resources;
    });
    const result = box.run(['create', '--bundle', bundle.path, id]);
    t.not(result.status, 0);
    t.match(result.stderr, field);
    t.match(result.stderr, controller);
    t.match(result.stderr, /hint:/);
    t.not(box.run(['state', id]).status, 0);
  });
}

t.test('without limits the container runs, with a device filter', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['echo', 'ran'], (config) => {
    config['linux'].resources = { devices: [{ allow: false, access: 'rwm' }] };
  });
  t.equal(must(box.run(['run', '--bundle', bundle.path, box.id()])).stdout, 'ran\n');
});
