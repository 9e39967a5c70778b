/** `tsrun login`: tries credentials at a registry and keeps them where docker looks for them. */
import { readSync } from 'node:fs';
import { TsrunError, UsageError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';
import { accessOptions, REGISTRY_OPTIONS } from '../registry-options.js';

const MAX_PASSWORD = 64 * 1024;

/** All of standard input, without the line feed that echo adds. */
function readPassword(): string {
  const buffer = Buffer.alloc(MAX_PASSWORD);
  let length = 0;
  for (;;) {
    const count = readSync(0, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.toString('utf8', 0, length).replace(/\r?\n$/, '');
    length += count;
    if (length === buffer.length)
      throw new UsageError(`the password is longer than ${MAX_PASSWORD} bytes`, '--password-stdin');
  }
}

export const login = defineCommand({
  name: 'login',
  summary: 'log in to a registry',
  usage: '[registry]',
  description: [
    'Tries a user name and a password at the registry, docker.io if none is given, and keeps them in config.json of',
    '$DOCKER_CONFIG or ~/.docker, or in the credential helper that the file names. docker and podman find them there.',
  ],
  examples: ['# tsrun login --username me --password-stdin registry.example < password'],
  args: [0, 1],
  options: {
    username: { kind: 'text', short: 'u', help: 'user name' },
    password: { kind: 'text', short: 'p', help: 'password; other users may see it in ps, --password-stdin is better' },
    'password-stdin': { kind: 'flag', help: 'take the password from standard input' },
    ...REGISTRY_OPTIONS,
    ...HELP_OPTION,
  },
  async run(invocation) {
    const { args, options, environment } = invocation;
    const { DEFAULT_REGISTRY, isRegistry } = await import('../../registry/reference.js');
    const registry = args[0] ?? DEFAULT_REGISTRY;
    if (!isRegistry(registry)) throw new UsageError(`login: the registry is written HOST[:PORT]`, 'REGISTRY');
    const { username } = options;
    if (username === undefined) throw new UsageError('login: a user name is missing', '--username');
    if ((options.password === undefined) !== options['password-stdin'])
      throw new UsageError('login: give either --password-stdin or --password', '--password-stdin');
    const password = options.password ?? readPassword();
    if (password === '' || username.includes(':'))
      throw new UsageError('login: no password, or a ":" in the user name', '--username');
    const { readDockerConfig, storeCredentials } = await import('../../image/docker-config.js');
    const { openRegistry } = await import('../../image/registry-access.js');
    const config = readDockerConfig(environment);
    if (config === undefined)
      throw new TsrunError('IO', 'credentials: neither DOCKER_CONFIG nor HOME says where they are kept');
    const client = openRegistry(registry, await accessOptions(invocation), undefined, {
      kind: 'password',
      username,
      password,
    });
    try {
      await client.checkLogin();
    } finally {
      client.close();
    }
    const place = await storeCredentials(config, registry, { username, password }, environment);
    print(`Login Succeeded: kept in ${place}\n`);
    return 0;
  },
});
