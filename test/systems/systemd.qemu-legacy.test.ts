// The systemd cgroup driver on a legacy host: cgroup v1 alone: systemd follows processes in a hierarchy of its name.
import t from 'tap';
import { cgroupLayout, needCommand, needQemu, skipUnless } from '../helpers/host.js';
import { IS_TSRUN, needRuntime } from '../helpers/runtime.js';
import { failuresOnV1, lifecycleOnV1 } from '../helpers/systemd-v1.js';

const skip = skipUnless(needQemu(), needRuntime(), needCommand('systemctl', 'systemd'));
const onlyTsrun = skipUnless(skip, IS_TSRUN ? false : 'what tsrun leaves behind');

t.test('this host is legacy', { skip }, async (t) => {
  t.equal(cgroupLayout(), 'legacy');
});

t.test('a container is a scope with a cgroup in each hierarchy', { skip }, lifecycleOnV1);

t.test('what fails leaves no unit, and a unit that is in use is not touched', { skip: onlyTsrun }, failuresOnV1);
