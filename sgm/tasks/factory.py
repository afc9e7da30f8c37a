"""Configuration -> task. `name` picks the implementation, all other keys are its keyword arguments."""

from __future__ import annotations

from typing import Any, Mapping

from sgm.audio import spectrogram as frontend_lib
from sgm.diffusion import schedule as schedule_lib
from sgm.models import autoencoder
from sgm.models import classifier
from sgm.models import unet
from sgm.tasks import autoencoding
from sgm.tasks import classification
from sgm.tasks import codec as codec_lib
from sgm.tasks import latent_diffusion
from sgm.tasks import task as task_lib

MODELS = {'autoencoder': autoencoder.Autoencoder, 'classifier': classifier.Classifier, 'unet': unet.UNet}
SCHEDULES = {'cosine': schedule_lib.CosineSchedule, 'linear': schedule_lib.LinearSchedule}
TASKS = ('autoencoding', 'classification', 'latent_diffusion')


def _tuples(value: Any) -> Any:
  # JSON and ConfigDict give lists; modules must be hashable to be static under jit.
  return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value


def named(kind: str, known: Mapping[str, Any], spec: Mapping[str, Any], **given: Any) -> Any:
  """known[spec['name']](**rest of spec, **given).

  Raises:
    ValueError: an unknown name (the known are listed).
    TypeError: an unknown keyword, naming the implementation.
  """
  spec = {k: _tuples(v) for k, v in dict(spec).items()}
  name = spec.pop('name')
  if name not in known:
    raise ValueError(f'{kind}.name={name!r} is not known; known: {", ".join(known)}')
  try:
    return known[name](**spec, **given)
  except TypeError as error:
    raise TypeError(f'{kind} {name!r}: {error}') from None


def build_frontend(config: Any) -> frontend_lib.Frontend:
  return frontend_lib.Frontend(**{k: _tuples(v) for k, v in dict(config.frontend).items()})


def build(config: Any, info: Any) -> task_lib.Task:
  """The task of a configuration.

  Args:
    config: `task`, `model`, `frontend` (and `codec` for latent diffusion) are read.
    info: has `taxonomy` (classes in order) and `tokenizer` (its size).
  """
  frontend = build_frontend(config)
  spec = dict(config.task)
  name = spec['name']
  if name == 'autoencoding':
    model = named('model', MODELS, config.model)
    return named('task', {name: autoencoding.Autoencoding}, spec, frontend=frontend, model=model)
  if name == 'classification':
    model = named('model', MODELS, config.model, classes=len(info.taxonomy))
    return named('task', {name: classification.Classification}, spec, frontend=frontend, model=model)
  if name == 'latent_diffusion':
    workdir = spec.pop('autoencoder')
    codecs = {
        'autoencoder': lambda **kw: codec_lib.Trained(autoencoder.Autoencoder(**kw), workdir),
        'pixel_space': codec_lib.PixelSpace,
    }
    spec['schedule'] = named('task.schedule', SCHEDULES, spec['schedule'])
    spec['sampler'] = latent_diffusion.SamplerConfig(**spec['sampler'])
    model = named('model', MODELS, config.model, vocabulary=info.tokenizer.size)
    return named('task', {name: latent_diffusion.LatentDiffusion}, spec, frontend=frontend, model=model,
                 autoencoder=named('codec', codecs, config.codec))
  raise ValueError(f'task.name={name!r} is not known; known: {", ".join(TASKS)}')
