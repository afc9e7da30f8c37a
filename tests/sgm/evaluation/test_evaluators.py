"""Evaluators on seven clips and models of two training steps: whole, and independent of how the clips are batched."""

import functools
import math

import numpy as np
import pytest

from data_pipeline import pipeline
from sgm import evaluation
from sgm.evaluation import detection
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import label_fidelity
from sgm.evaluation import reconstruction
from sgm.evaluation import validation
from sgm.tasks import restore
from tests.sgm import small

COMMON = dict(every=1, limit=100)


@pytest.fixture(autouse=True, scope='module')
def quick():
  with small.unoptimised(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(judge_lib, 'BATCH', 8)
    yield


@pytest.fixture
def on(birds):
  """on(workdir) -> the run, and the context its evaluators get."""
  def load(workdir):
    run = restore.load(workdir)
    return run, evaluator_lib.Context(run.config, run.task, run.labels, functools.partial(pipeline.eval_batches, birds))
  return load


def both_sizes(make, run):
  """Runs the evaluator with batches of 3 and of 4; checks that they agree; returns the last one and its sums."""
  results = []
  for size in (3, 4):
    evaluator = make(batch_size=size, **COMMON)
    results.append((evaluator, evaluator.run(run.params, run.frozen)))
  (first, a), (last, b) = results
  assert a.keys() == b.keys()
  for name in a:
    assert a[name][1] == b[name][1], name
    np.testing.assert_allclose(a[name][0], b[name][0], rtol=1e-4, err_msg=name)
  return last, b


@pytest.mark.parametrize('workdir', ['autoencoder_workdir', 'judge_workdir', 'ldm_workdir'])
def test_loss(workdir, on, request):
  run, context = on(request.getfixturevalue(workdir))
  _, sums = both_sizes(functools.partial(validation.Loss, context, split='val'), run)
  assert {'autoencoder_workdir': 'distortion', 'judge_workdir': 'clip_loss', 'ldm_workdir': 'mse_t0.5'}[workdir] in sums
  for total, count in sums.values():
    assert count == small.CLIPS and math.isfinite(total)


def test_accuracy(judge_workdir, on):
  run, context = on(judge_workdir)
  evaluator, sums = both_sizes(functools.partial(validation.Accuracy, context, split='test'), run)
  assert sums['top1'][1] == small.CLIPS and 0 <= sums['auroc'][0] <= 1
  probability, label = evaluator.details['probability'], evaluator.details['label']
  assert probability.shape == label.shape == (small.CLIPS, 13)
  hits = [label[i, row.argmax()] for i, row in enumerate(probability)]
  assert sums['top1'][0] == sum(hits)


def test_reconstruction(autoencoder_workdir, judge_workdir, on):
  run, context = on(autoencoder_workdir)
  make = functools.partial(reconstruction.Reconstruction, context, split='test', judge=str(judge_workdir))
  evaluator, sums = both_sizes(make, run)
  d = evaluator.details
  assert d['audio_roundtrip'].shape == d['audio'].shape == (small.CLIPS, 40960, 1)
  assert {'judge_top1_direct', 'judge_top1_rendered', 'judge_top1_roundtrip', 'log_spectral_distance_db'} <= set(sums)
  np.testing.assert_allclose(sums['nats'][0], sums['distortion'][0] + sums['rate'][0], rtol=1e-5)
  assert sums['log_spectral_distance_db'][0] / small.CLIPS > 3  # two steps teach nothing
  # Griffin-Lim alone changes the spectrogram far less than an untrained autoencoder does.
  heard = np.asarray(run.task.frontend(d['audio_rendered']))
  assert np.abs(heard - d['spectrogram']).mean() < 0.5 * np.abs(d['reconstruction'] - d['spectrogram']).mean()
  [picture] = evaluator.media()['images'].values()
  assert picture.shape == (2 * 64, small.CLIPS * 128, 3) and picture.dtype == np.uint8
  alone = reconstruction.Reconstruction(context, split='test', judge='', batch_size=7, **COMMON)
  assert not any('judge' in name for name in alone.run(run.params, run.frozen))


def test_label_fidelity(ldm_workdir, judge_workdir, on):
  run, context = on(ldm_workdir)
  make = functools.partial(label_fidelity.LabelFidelity, context, split='single', judge=str(judge_workdir), condition='both', repeats=1, seed=3)
  evaluator, sums = both_sizes(make, run)
  d = evaluator.details
  assert d['spectrogram'].shape == (small.CLIPS, 128, 64, 1) and sums['top1'][1] == small.CLIPS
  assert sums['top1'][0] == (d['choice'] == d['species']).sum()
  assert sums['onset_error_s'][0] == np.median(d['error']) and (d['error'] <= run.config.clip.seconds).all()
  media = evaluator.media()
  assert len(media['images']) == len(media['audio']) == 4
  # The same scenes, read from the data itself.
  [batch] = context.clips('single', ('pad_events(1)', 'keep("event_species", "event_onset")'), 7, None)
  np.testing.assert_array_equal(d['species'], batch['event_species'][:, 0])
  np.testing.assert_allclose(d['onset'], batch['event_onset'][:, 0])


def test_label_fidelity_refuses_mixtures_by_name(ldm_workdir, judge_workdir, on):
  run, context = on(ldm_workdir)
  evaluator = label_fidelity.LabelFidelity(
      context, split='pairs', judge=str(judge_workdir), condition='both', repeats=1, seed=0, batch_size=4, **COMMON)
  with pytest.raises(ValueError, match="split 'pairs' has 7 of 7 with several species"):
    evaluator.run(run.params, run.frozen)


def test_the_onset_of_several_events_is_the_first_ones():
  events = np.array([[4, 4, -1], [2, -1, -1]])
  onset = np.array([[0.9, 0.3, 0.0], [1.5, 0.0, 0.0]])
  species, first = label_fidelity.one_species(events, onset, np.array([2, 1]), 'test')
  np.testing.assert_array_equal(species, [4, 2])
  np.testing.assert_array_equal(first, [0.3, 1.5])
  for count, wrong in (([2, 4], 'too many events'), ([2, 0], 'no event')):
    with pytest.raises(ValueError, match=f"split 'test' has 1 of 2 with {wrong}"):
      label_fidelity.one_species(events, onset, np.array(count), 'test')


@pytest.fixture
def detector(on, ldm_workdir):
  run, context = on(ldm_workdir)
  settings = dict(search=dict(ts=(0.8,)), fit_split='train', fit_limit=16, threshold_split='val',
                  threshold_limit=small.CLIPS, floor_db=-75.0, seed=0)
  return run, functools.partial(detection.Detection, context, split='pairs', **settings)


def test_detection(detector):
  run, make = detector
  evaluator, sums = both_sizes(make, run)
  d = evaluator.details
  assert d['scores'].shape == d['presence'].shape == (small.CLIPS, 12) and (d['presence'].sum(1) == 2).all()
  assert d['maps'].shape == (small.CLIPS, 12, 16, 8) and d['masks'].shape == (small.CLIPS, 12, 128, 64)
  assert (d['masks'].any((2, 3)) <= (d['presence'] > 0)).all() and len(d['iou']) == d['masks'].any((2, 3)).sum() > 0
  assert sums['mask_iou'] == (pytest.approx(d['iou'].sum()), len(d['iou']))
  assert {'presence_auroc', 'presence_auroc_band_energy', 'presence_auroc_shuffled', 'top1', 'mask_iou_band_energy'} <= set(sums)
  assert sums['top1'][0] == sum(d['presence'][i, row.argmax()] for i, row in enumerate(d['scores']))


def test_detection_without_stems_has_no_masks(detector):
  run, make = detector
  read = pipeline.eval_batches

  def without_stems(*args, **kwargs):
    for batch in read(*args, **kwargs):
      if 'stems' in batch:
        batch['stems'] = np.where((batch['event_species'] >= 0)[..., None, None], np.nan, batch['stems'])
      yield batch

  context = evaluator_lib.Context(run.config, run.task, run.labels, functools.partial(without_stems, run.config.data.dir))
  evaluator = detection.Detection(context, **make.keywords, batch_size=4, **COMMON)
  sums = evaluator.run(run.params, run.frozen)
  assert set(sums) == {'presence_auroc', 'presence_auroc_band_energy', 'presence_auroc_shuffled', 'top1'}
  assert not {'masks', 'iou', 'band_iou'} & set(evaluator.details)


def test_an_unknown_evaluator_lists_the_known(ldm_workdir, on):
  run, context = on(ldm_workdir)
  run.config.evals = {'mine': {'name': 'lossy'}}
  with pytest.raises(ValueError, match="evals.mine.name='lossy' is not known; known: loss, accuracy, reconstruction, label_fid"):
    evaluation.build(run.config, run.task, run.labels, context.batches)
  run.config.evals = {'mine': {'name': 'loss', 'splitt': 'val'}}
  with pytest.raises(TypeError, match="evals.mine 'loss'.*splitt"):
    evaluation.build(run.config, run.task, run.labels, context.batches)
