"""A table of AVONET's with a few rows, as tools.plausibility and tools.mix_soundscapes read it."""

HEADER = 'Species1,Habitat,Habitat.Density,Min.Latitude,Max.Latitude'


def write(path, *rows):
  """Writes the rows below the header; returns the path as a command line has it."""
  path.write_text('\n'.join((HEADER, *rows)) + '\n')
  return str(path)
