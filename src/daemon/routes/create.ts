/** POST /containers/create. */
import { readContainerCreate } from '../api/read.js';
import { type CreateDeps, createContainer } from '../container/create.js';
import { json, type Route } from '../http/route.js';
import { platformOf } from '../images/pull.js';

export function createRoutes(deps: CreateDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/create',
      handle: async (request) => {
        const body = await request.neededBody(readContainerCreate);
        const name = request.query('name');
        const platform = request.query('platform');
        const asked = { name: name || undefined, platform: platform ? platformOf(platform) : undefined };
        const { container, warnings } = await createContainer(deps, body, asked, request.version);
        return json(201, { Id: container.id, Warnings: warnings });
      },
    },
  ];
}
