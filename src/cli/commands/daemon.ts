/** `tsrun daemon`: speaks the Docker Engine API. */
import { DAEMON_OPTIONS } from '../../daemon/config/options.js';
import { TsrunError, UsageError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { type Entrance, enterUserNamespace, isEntered } from '../user-namespace.js';

export const daemon = defineCommand({
  name: 'daemon',
  summary: 'speak the Docker Engine API, for docker and its kin',
  usage: '',
  description: [
    'Listens where dockerd does, or where --host says, and serves the docker command, docker compose and libraries that speak',
    'the Docker Engine API, from version 1.24 on. Stays in the foreground and logs to stderr; SIGTERM ends it. Options have',
    "dockerd's names and may stand in a configuration file.",
    'Without root it begins again as root of a user namespace, with networks behind slirp4netns(1). Namespaces and networks',
    'stay with the containers that run, for the next daemon; with the last container and the daemon they go.',
  ],
  examples: [
    '# tsrun daemon --host unix:///run/mine.sock & docker --host unix:///run/mine.sock info',
    '# tsrun daemon --host fd://        (from a systemd unit with a socket)',
  ],
  args: [0, 0],
  options: { ...DAEMON_OPTIONS, ...HELP_OPTION },
  async run({ options, environment, absolute }) {
    const { help: _, ...flags } = options;
    const { HOME: home } = environment;
    // Root of a user namespace that somebody else has made, of a machine in a container, is root there.
    const rootless = process.geteuid?.() !== 0 || isEntered(environment);
    const enter = (entrance: Entrance) => enterUserNamespace(environment, entrance);
    const { runDaemon } = await import('../../daemon/index.js');
    const failure = await runDaemon({ flags, environment, absolute, home, rootless, enter });
    if (failure === undefined) return 0;
    const { code, message, hint, flag } = failure;
    throw code === 'USAGE' ? new UsageError(message, flag ?? '', hint) : new TsrunError(code, message, { hint });
  },
});
