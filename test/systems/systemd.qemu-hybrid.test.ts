// The systemd cgroup driver on a hybrid host: cgroup2 beside the controllers of cgroup v1, which is where systemd follows processes.
import t from 'tap';
import { cgroupLayout, needCommand, needQemu, skipUnless } from '../helpers/host.js';
import { IS_TSRUN, needRuntime } from '../helpers/runtime.js';
import { failuresOnV1, lifecycleOnV1 } from '../helpers/systemd-v1.js';

const skip = skipUnless(needQemu(), needRuntime(), needCommand('systemctl', 'systemd'));
const onlyTsrun = skipUnless(skip, IS_TSRUN ? false : 'what tsrun leaves behind');

t.test('this host is hybrid', { skip }, async (t) => {
  t.equal(cgroupLayout(), 'hybrid');
});

t.test('a container is a scope with a cgroup in each hierarchy', { skip }, lifecycleOnV1);

t.test('what fails leaves no unit, and a unit that is in use is not touched', { skip: onlyTsrun }, failuresOnV1);
