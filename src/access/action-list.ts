import { applyDecorators } from '@nestjs/common';
import { ArrayMaxSize, ArrayUnique, IsArray, IsIn } from 'class-validator';
import { ACTIONS } from '#contracts';

/** A list of actions in a body; an unknown one is named. */
export const IsActionList = () =>
  applyDecorators(
    IsArray(),
    ArrayMaxSize(1000),
    ArrayUnique(),
    IsIn(ACTIONS, {
      each: true,
      message: ({ value }) =>
        `there is no action ${[value]
          .flat()
          .filter((a) => !(ACTIONS as readonly unknown[]).includes(a))
          .map(String)
          .join(', ')}`,
    }),
  );
