// Where a user's daemon has its things, by the XDG base directory specification.
import t from 'tap';
import { placesOfUser } from '../../../src/daemon/config/places.js';
import { UsageError } from '../../../src/errors.js';

t.test("a user's places are those of XDG, or their defaults below the home", async (t) => {
  const all = (environment: { readonly [name: string]: string }) => {
    const places = placesOfUser(environment);
    return [places.configFile(), places.dataRoot(), places.execRoot(), places.host()];
  };
  t.strictSame(all({ HOME: '/home/a', XDG_RUNTIME_DIR: '/run/user/7' }), [
    '/home/a/.config/tsrun/daemon.json',
    '/home/a/.local/share/tsrun',
    '/run/user/7/tsrun-daemon',
    'unix:///run/user/7/docker.sock',
  ]);
  t.strictSame(all({ XDG_CONFIG_HOME: '/c', XDG_DATA_HOME: '/d', XDG_RUNTIME_DIR: '/r' }), [
    '/c/tsrun/daemon.json',
    '/d/tsrun',
    '/r/tsrun-daemon',
    'unix:///r/docker.sock',
  ]);
});

t.test('without XDG_RUNTIME_DIR the option is named that has to be given', async (t) => {
  const { execRoot, host } = placesOfUser({ HOME: '/home/a', XDG_RUNTIME_DIR: 'relative' });
  t.throws(execRoot, { constructor: UsageError, message: /^--exec-root: XDG_RUNTIME_DIR/ });
  t.throws(host, { constructor: UsageError, message: /^--host: XDG_RUNTIME_DIR/ });
});
