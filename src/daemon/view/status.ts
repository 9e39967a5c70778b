/**
 * The words of `docker ps`: "Up 3 seconds (healthy)", "Exited (0) 5 seconds ago".
 *
 * Pure.
 */
import { humanDuration } from '../../util/human.js';
import { type ContainerState, NEVER } from '../container/record.js';

/** now: milliseconds since 1970. */
export function statusText(state: ContainerState, now: number): string {
  const since = (time: string) => humanDuration(now - Date.parse(time));
  const { status, exitCode, startedAt, finishedAt } = state;
  switch (status) {
    case 'running':
      return `Up ${since(startedAt)}${healthText(state)}`;
    case 'paused':
      return `Up ${since(startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${exitCode}) ${since(finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return finishedAt === NEVER ? '' : `Exited (${exitCode}) ${since(finishedAt)} ago`;
  }
}

function healthText({ health }: ContainerState): string {
  if (health === undefined || health.status === 'none') return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}
