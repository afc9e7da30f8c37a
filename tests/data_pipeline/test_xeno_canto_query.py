import pytest

from data_pipeline import xeno_canto_query


@pytest.mark.parametrize('query, sent, notes', [
    ('gen:Strix q:">C" cnt:"United States"', 'gen:Strix q:">C" cnt:"United States"', 0),
    ('gen:Strix year:2010-2015', 'gen:Strix year:">2009" year:"<2016"', 1),
    ('month:"3-5" smp:44100-48000', 'month:">2" month:"<6" smp:">44099" smp:"<48001"', 2),
    ('temp:-5-2.5', 'temp:">-5.1" temp:"<2.6"', 1), ('len:10-30 year:2010', 'len:10-30 year:2010', 0),
    ('gen:Strix genus:x', 'gen:Strix genus:x', 1),
])
def test_queries(query, sent, notes):
  made, said = xeno_canto_query.prepare(query)
  assert made == sent and len(said) == notes


@pytest.mark.parametrize('query, message', [('', 'expected tagged terms'), ('tawny owl gen:Strix', "found 'tawny owl'"),
                                            ('year:2015-2010', 'from more to less')])
def test_queries_that_cannot_be_sent(query, message):
  with pytest.raises(ValueError, match=message):
    xeno_canto_query.prepare(query)
