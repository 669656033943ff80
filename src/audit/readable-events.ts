import { actionOfEvent, EVENT_TYPES, type EventType, grants } from '#contracts';
import { AppError, type Principal } from '#platform';

/**
 * Which types of events a reader gets who may read events of the organization: those that they asked for, less those about what they may not
 * read. undefined: whatever there is. @throws permission_denied for an asked type that the reader may not read
 */
export function readableTypes(
  principal: Principal,
  orgId: string,
  asked: EventType | undefined,
): EventType[] | undefined {
  const lacks = (type: EventType) => {
    const action = actionOfEvent(type) ?? null;
    return action !== null && grants(principal.authority, { kind: 'org', action, orgId }) !== 'granted' ? action : null;
  };
  if (asked !== undefined) {
    const action = lacks(asked);
    if (action !== null)
      throw new AppError('permission_denied', `Events of the type ${asked} take the action ${action}`);
    return [asked];
  }
  const readable = EVENT_TYPES.filter((type) => lacks(type) === null);
  return readable.length === EVENT_TYPES.length ? undefined : readable;
}
