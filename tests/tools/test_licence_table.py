from tools import licence_table


def test_licence_table():
  text = licence_table.text([('CC0', 60.0), ('CC BY-NC-ND 4.0', 30.0), ('CC BY-NC-ND 4.0', None), ('', 6.0)], 'mine')
  assert 'mine' in text and 'by-nc-nd 4.0' in text
  assert text.splitlines()[-1].startswith('4 recordings: commercial use not permitted')
