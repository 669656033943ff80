import { PasswordInput, type PasswordInputProps } from '@mantine/core';

/** A field for a secret. Mantine's says to the eye alone that its value is refused; this one to a screen reader, too. */
export const PasswordField = (props: PasswordInputProps) => (
  <PasswordInput aria-invalid={props.error ? true : undefined} {...props} />
);
