/**
 * --rootless: whether a container may go without a cgroup that this user may not make. "auto" is what the host's facts
 * say; the choice is made once, before they are read.
 */
export type RootlessChoice = 'true' | 'false' | 'auto';

let choice: RootlessChoice = 'auto';

export function chooseRootless(given: RootlessChoice): void {
  choice = given;
}

export function isRootless(found: boolean): boolean {
  return choice === 'auto' ? found : choice === 'true';
}
