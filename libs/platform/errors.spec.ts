import { describe, expect, it } from 'vitest';
import { refusedMeanwhile } from './errors.js';
import { toAppError } from './http.js';

const refusal = (code: string, detail?: string) => Object.assign(new Error('refused'), { driverError: { code, detail } });

describe('what PostgreSQL refused because of somebody else', () => {
  it.each([
    ['23503', 'Key (org_id)=(a) is not present in table "org".', 404, 'Organization not found'],
    ['23503', 'Key (group_id)=(1) is not present in table "site_group".', 404, 'Group not found'],
    ['23503', 'Key (template_id)=(1) is not present in table "provisioning_template".', 404, 'Provisioning template not found'],
    ['23503', 'Key (role_id)=(1) is still referenced from table "membership_role".', 409, 'Something else still needs this'],
    ['23503', undefined, 409, 'Something else still needs this'],
    ['40P01', undefined, 409, 'Changed by others at the same moment; try again'],
    ['40001', undefined, 409, 'Changed by others at the same moment; try again'],
  ])('%s %s', (code, detail, status, message) => {
    expect(toAppError(refusal(code, detail))).toMatchObject({ status, message });
    expect(toAppError(Object.assign(new Error('refused'), { code, detail }))).toMatchObject({ status, message });
  });

  it('is nothing else', () => {
    expect(refusedMeanwhile(refusal('23505'))).toBeUndefined();
    expect(refusedMeanwhile(new Error('other'))).toBeUndefined();
    expect(toAppError(refusal('23514'))).toMatchObject({ code: 'internal' });
  });
});
