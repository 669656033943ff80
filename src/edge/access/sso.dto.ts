import { IsString, MaxLength } from 'class-validator';
import { BodyExample } from '#platform';

@BodyExample({ request: 'eyJ.mac' })
export class ResourceLoginBody {
  /** As the resource made it, behind `#request=`. */
  @MaxLength(6000) @IsString() request: string;
}

export class ResourceLoginAnswer {
  /** Of the resource that asked, with a code that works there once, within a minute, in the browser that began there. */
  location: string;
}
