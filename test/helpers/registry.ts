// Debian's docker-registry on loopback, with its files below the test's own directory.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Place } from './engine.js';

/** bcrypt of "secret", for the user "me". */
const PASSWORD_HASH = '$2b$04$gpzrMXoVCYiitawX40xe7OJ4H2wCIXAUFRLHREFGpmvEbVLeVlHTS';

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** "127.0.0.1:PORT". With a password it is me's, "secret". */
export async function registry(own: Place, name: string, withPassword = false): Promise<string> {
  const at = (file: string) => join(own.directory, `${name}-${file}`);
  const host = `127.0.0.1:${await freePort()}`;
  writeFileSync(at('htpasswd'), `me:${PASSWORD_HASH}\n`);
  const auth = withPassword ? `auth: {htpasswd: {realm: test, path: ${at('htpasswd')}}}\n` : '';
  writeFileSync(
    at('config.yml'),
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${at('data')}}}\n${auth}http: {addr: ${host}}\n`,
  );
  const answers = () => spawnSync('curl', ['-s', '-o', '/dev/null', `http://${host}/v2/`]).status === 0;
  own.daemon('docker-registry', ['serve', at('config.yml')], answers);
  return host;
}
